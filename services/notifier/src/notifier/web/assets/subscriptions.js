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

const KINDS = ["newly_told", "no_longer_told", "told_to_nobody"];

/** Combinations in words, those that belong together in one: "Billing at every location", "Appointments at Elm Street". */
export function combinations(cells, choices, on) {
  const dimensions = [["reasons", "reason_id"], ["locations", "location_id"], ["providers", "provider_id"]];
  const size = ([name]) => (on[name] ? choices[name].length : 1);
  const nameOf = (name, id) => choices[name].find(([one]) => one === id)?.[1] ?? id;
  const placeOf = (name, id) => t(`effect.${name}`, { name: id === "unknown" ? t(`effect.${name}.unknown`) : nameOf(name, id) });
  const reasonOf = (id) => (id === null ? t("effect.messages") : id === "other" ? t("effect.other") : nameOf("reasons", id));
  const whole = (found, parts) => found.length === parts.reduce((product, one) => product * size(one), 1);
  if (cells.length && whole(cells, dimensions)) return [t("effect.everything")];
  const reasons = [...new Set(cells.map((one) => one.reason_id))];
  return reasons.flatMap((reason) => {
    const found = cells.filter((one) => one.reason_id === reason);
    if (reason !== null && whole(found, dimensions.slice(1))) return [t("effect.everywhere", { reason: reasonOf(reason) })];
    return found.map((one) => [reasonOf(reason), one.location_id && placeOf("locations", one.location_id), one.provider_id && placeOf("providers", one.provider_id)].filter(Boolean).join(" "));
  });
}

export function Effect({ effect, choices, on }) {
  const words = KINDS.flatMap((kind) => combinations(effect.cells[kind], choices, on).map((what) => t(`effect.${kind}`, { what })));
  if (!words.length) return html`<p class="soft">${t("effect.nothing")}</p>`;
  const rows = (some) => html`<ul class="effect">${some.map((one) => html`<li key=${one}>${one}</li>`)}</ul>`;
  const more = words.slice(SHOWN);
  return html`${rows(words.slice(0, SHOWN))}
    ${more.length > 0 && html`<details><summary>${many("effect.more", more.length)}</summary>${rows(more)}</details>`}`;
}
