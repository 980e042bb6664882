// Editing what a member is told about: a set of reasons × locations × providers, or several of them.

import { html } from "./preact.js";
import { labelOf, many, t } from "./page.js";
import { Checkbox } from "./parts.js";
import { newKey } from "./client.js";

const SHOWN = 6;

/** The choices of each dimension, with the buckets of what has no label. */
export function choicesOf({ reasons, locations, providers }) {
  return {
    reasons: [...reasons.filter((one) => !one.retired).map((one) => [one.id, labelOf(one.label)]), ["other", t("reason.other")]],
    locations: [...locations.map((one) => [one.id, one.name]), ["unknown", t("location.unknown")]],
    providers: [...providers.map((one) => [one.id, one.name]), ["unknown", t("provider.unknown")]],
  };
}

function Dimension({ name, value, choices, onChange }) {
  const isAll = value === "all";
  const toggle = (id, on) => onChange(on ? [...value, id] : value.filter((one) => one !== id));
  return html`<fieldset>
    <legend>${t(`dimension.${name}`)}</legend>
    <${Checkbox} label=${t(`dimension.all.${name}`)} checked=${isAll}
      onChange=${(on) => onChange(on ? "all" : choices.map(([id]) => id))} />
    ${!isAll && html`<div class="choices-grid">
      ${choices.map(([id, label]) => html`<${Checkbox} key=${id} label=${label} checked=${value.includes(id)} onChange=${(on) => toggle(id, on)} />`)}
    </div>`}
  </fieldset>`;
}

/** `value` has { unassigned, subscriptions }; `on` says which dimensions the practice routes by. */
export function SubscriptionEditor({ value, choices, on, onChange }) {
  const { subscriptions, unassigned } = value;
  const write = (index, change) => onChange({ ...value, subscriptions: subscriptions.map((one, at) => (at === index ? { ...one, ...change } : one)) });
  const remove = (index) => onChange({ ...value, subscriptions: subscriptions.filter((_, at) => at !== index) });
  const add = () => onChange({ ...value, subscriptions: [...subscriptions, { id: `s-${newKey().slice(0, 12)}`, reasons: "all", locations: "all", providers: "all" }] });
  return html`<div class="subscriptions">
    ${subscriptions.length === 0 && html`<p class="empty">${t("subscriptions.none")}</p>`}
    ${subscriptions.map((one, index) => html`<section class="subscription" key=${one.id} aria-label=${t("subscriptions.number", { n: index + 1 })}>
      <div class="line"><h3 class="grow">${t("subscriptions.number", { n: index + 1 })}</h3>
        <button type="button" class="link" onClick=${() => remove(index)}>${t("remove")}</button></div>
      ${["reasons", "locations", "providers"].filter((name) => on[name]).map((name) => html`
        <${Dimension} key=${name} name=${name} value=${one[name]} choices=${choices[name]} onChange=${(set) => write(index, { [name]: set })} />`)}
    </section>`)}
    <button type="button" onClick=${add}>${t("subscriptions.add")}</button>
    <${Checkbox} label=${t("subscriptions.unassigned")} checked=${unassigned} onChange=${(is) => onChange({ ...value, unassigned: is })} />
  </div>`;
}

/** What a change does, in the router's words. */
export function Effect({ effect }) {
  if (!effect.words.length) return html`<p class="soft">${t("effect.nothing")}</p>`;
  const rows = (words) => html`<ul class="effect">${words.map((one) => html`<li key=${one}>${one}</li>`)}</ul>`;
  const more = effect.words.slice(SHOWN);
  return html`${rows(effect.words.slice(0, SHOWN))}
    ${more.length > 0 && html`<details><summary>${many("effect.more", more.length)}</summary>${rows(more)}</details>`}`;
}
