// Editing the settings, one card for each part.

import { html, useState } from "./preact.js";
import { draft, edit } from "./draft.js";
import { minutesOf } from "./durations.js";
import { labelOf, t } from "./page.js";
import { Checkbox, Dialog } from "./parts.js";
import { useStore } from "./store.js";
import { choicesOf, SubscriptionEditor } from "./subscriptions.js";

const write = (list, index, change) => list.map((one, at) => (at === index ? { ...one, ...change } : one));
const without = (list, index) => list.filter((_, at) => at !== index);
const moved = (list, from, to) => {
  const copy = [...list];
  copy.splice(to, 0, ...copy.splice(from, 1));
  return copy;
};
const slug = (words) => words.toLowerCase().normalize("NFD").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 48);
const freshId = (base, taken) => {
  let id = base;
  for (let n = 2; taken.includes(id); n += 1) id = `${base}-${n}`;
  return id;
};

const Input = ({ label, value, onInput, ...more }) => html`<input aria-label=${label} value=${value} onInput=${(event) => onInput(event.target.value)} ...${more} />`;

function Switches({ settings }) {
  const names = ["reason_routing", "location_routing", "provider_routing", "sms_reason_menu", "label_correction"];
  const breaks = settings.stickiness.broken_by;
  const stick = (change) => edit({ stickiness: { ...settings.stickiness, ...change } });
  return html`<section class="card">
    <h2>${t("settings.rules")}</h2>
    <div class="columns">
      <div>${names.map((name) => html`<${Checkbox} key=${name} label=${t(`settings.${name}`)} checked=${settings[name]} onChange=${(on) => edit({ [name]: on })} />`)}</div>
      <div class="fields">
        <label class="field"><span>${t("settings.window")}</span>
          <input type="number" min="0" max="1440" value=${minutesOf(settings.stickiness.window)} onInput=${(event) => stick({ window: `PT${Number(event.target.value) || 0}M` })} /></label>
        <fieldset><legend>${t("settings.broken_by")}</legend>
          ${["sms", "voicemail", "web"].map((channel) => html`<${Checkbox} key=${channel} label=${t(`channel.${channel}`)} checked=${breaks.includes(channel)}
            onChange=${(on) => stick({ broken_by: on ? [...breaks, channel] : breaks.filter((one) => one !== channel) })} />`)}
        </fieldset>
        <label class="field"><span>${t("settings.freshness")}</span>
          <input type="number" min="1" value=${Math.round(minutesOf(settings.freshness_limit) / 60)} onInput=${(event) => edit({ freshness_limit: `PT${Number(event.target.value) || 1}H` })} /></label>
      </div>
    </div>
  </section>`;
}

function Reasons({ settings: { reasons } }) {
  const change = (index, more) => edit({ reasons: write(reasons, index, more) });
  const { saved } = draft.get();
  const isKnown = (id) => saved.reasons.some((one) => one.id === id);
  // The id of a reason that was never saved follows its words, until it is written by hand.
  const idFor = (one, index, words) => {
    const isFree = !isKnown(one.id) && (/^reason(-\d+)?$/.test(one.id) || one.id.startsWith(slug(one.label.en ?? "")));
    return isFree ? freshId(slug(words) || "reason", reasons.filter((_, at) => at !== index).map((it) => it.id)) : one.id;
  };
  const word = (index, language, words) => {
    const one = reasons[index];
    change(index, { label: { ...one.label, [language]: words }, ...(language === "en" ? { id: idFor(one, index, words) } : {}) });
  };
  const add = () => edit({ reasons: [...reasons, { id: freshId("reason", reasons.map((one) => one.id)), label: { en: "", es: "" }, retired: false }] });
  return html`<section class="card">
    <h2>${t("settings.reasons")}</h2>
    <p class="soft">${t("settings.reasons_about")}</p>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("settings.reasons")}><table>
      <thead><tr><th>${t("settings.order")}</th><th>${t("id")}</th><th>English</th><th lang="es">Español</th><th>${t("settings.retired")}</th></tr></thead>
      <tbody>${reasons.map((one, index) => html`<tr key=${index}>
        <td class="nowrap">
          <button type="button" class="icon" disabled=${index === 0} aria-label=${t("up", { what: one.id })} onClick=${() => edit({ reasons: moved(reasons, index, index - 1) })}>↑</button>
          <button type="button" class="icon" disabled=${index === reasons.length - 1} aria-label=${t("down", { what: one.id })} onClick=${() => edit({ reasons: moved(reasons, index, index + 1) })}>↓</button>
        </td>
        <td><${Input} label=${t("id")} value=${one.id} onInput=${(id) => change(index, { id: slug(id) || id })} /></td>
        <td><${Input} label="English" value=${one.label.en ?? ""} onInput=${(words) => word(index, "en", words)} /></td>
        <td><${Input} label="Español" lang="es" value=${one.label.es ?? ""} onInput=${(words) => word(index, "es", words)} /></td>
        <td><input type="checkbox" aria-label=${t("settings.retired_long", { what: one.id })} checked=${one.retired} onChange=${(event) => change(index, { retired: event.target.checked })} /></td>
      </tr>`)}</tbody>
    </table></div>
    <button type="button" onClick=${add}>${t("settings.add_reason")}</button>
  </section>`;
}

function Extensions({ settings: { extensions, reasons, shared_inboxes: inboxes } }) {
  const targetOf = (one) => (one.reason_id ? `reason ${one.reason_id}` : `inbox ${one.shared_inbox_id}`);
  const aim = (index, value) => {
    const [kind, id] = value.split(" ");
    edit({ extensions: write(extensions, index, { reason_id: kind === "reason" ? id : null, shared_inbox_id: kind === "inbox" ? id : null }) });
  };
  const options = [...reasons.map((one) => [`reason ${one.id}`, labelOf(one.label) || one.id]), ...inboxes.map((one) => [`inbox ${one.id}`, t("settings.to_inbox", { name: one.label })])];
  const add = () => edit({ extensions: [...extensions, { digits: freshId("0", extensions.map((one) => one.digits)).replace("-", ""), reason_id: reasons[0]?.id ?? null, shared_inbox_id: reasons[0] ? null : inboxes[0]?.id }] });
  return html`<section class="card">
    <h2>${t("settings.extensions")}</h2>
    <ul class="rows">${extensions.map((one, index) => html`<li class="row" key=${index}>
      <${Input} label=${t("settings.digits")} value=${one.digits} inputmode="numeric" size="6" onInput=${(digits) => edit({ extensions: write(extensions, index, { digits }) })} />
      <span aria-hidden="true">→</span>
      <select aria-label=${t("settings.target", { digits: one.digits })} value=${targetOf(one)} onChange=${(event) => aim(index, event.target.value)}>
        ${options.map(([value, label]) => html`<option key=${value} value=${value} selected=${value === targetOf(one)}>${label}</option>`)}
      </select>
      <button type="button" class="link" onClick=${() => edit({ extensions: without(extensions, index) })}>${t("remove")}<span class="visually-hidden"> ${one.digits}</span></button>
    </li>`)}</ul>
    <button type="button" disabled=${!options.length} onClick=${add}>${t("settings.add_extension")}</button>
  </section>`;
}

function SharedInboxes({ settings: { shared_inboxes: inboxes, members } }) {
  const change = (index, more) => edit({ shared_inboxes: write(inboxes, index, more) });
  const add = () => edit({ shared_inboxes: [...inboxes, { id: freshId("inbox", inboxes.map((one) => one.id)), label: "", members: [] }] });
  return html`<section class="card">
    <h2>${t("settings.inboxes")}</h2>
    ${inboxes.map((one, index) => html`<fieldset key=${index}>
      <legend>${one.label || one.id}</legend>
      <div class="row asking">
        <label class="field"><span>${t("name")}</span><${Input} label=${t("name")} value=${one.label} onInput=${(label) => change(index, { label })} /></label>
        <label class="field"><span>${t("id")}</span><${Input} label=${t("id")} value=${one.id} onInput=${(id) => change(index, { id: slug(id) || id })} /></label>
        <button type="button" class="link" onClick=${() => edit({ shared_inboxes: without(inboxes, index) })}>${t("remove")}<span class="visually-hidden"> ${one.label}</span></button>
      </div>
      <div class="choices-grid">${members.filter((it) => it.active).map((it) => html`<${Checkbox} key=${it.staff_id} label=${it.name} checked=${one.members.includes(it.staff_id)}
        onChange=${(on) => change(index, { members: on ? [...one.members, it.staff_id] : one.members.filter((id) => id !== it.staff_id) })} />`)}</div>
    </fieldset>`)}
    <button type="button" onClick=${add}>${t("settings.add_inbox")}</button>
  </section>`;
}

function subscriptionWords(member, choices, on) {
  const nameIn = (name, ids) => (ids === "all" ? t(`dimension.all_short.${name}`) : ids.map((id) => choices[name].find(([it]) => it === id)?.[1] ?? id).join(", ") || t("none"));
  return member.subscriptions.map((one) => ["reasons", "locations", "providers"].filter((name) => on[name]).map((name) => nameIn(name, one[name])).join(" × "));
}

function Members({ settings, places }) {
  const { members, default_subscribers: defaults } = settings;
  const [opened, setOpened] = useState(null);
  const change = (index, more) => edit({ members: write(members, index, more) });
  const add = () => edit({ members: [...members, { staff_id: freshId("member", members.map((one) => one.staff_id)), name: "", role: "member", active: true, unassigned: false, subscriptions: [] }] });
  const choices = choicesOf({ reasons: settings.reasons, ...places });
  const on = { reasons: settings.reason_routing, locations: settings.location_routing, providers: settings.provider_routing };
  const chosen = opened === null ? null : members[opened];
  return html`<section class="card">
    <h2>${t("settings.members")}</h2>
    <p class="soft">${t("settings.members_about")}</p>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("settings.members")}><table>
      <thead><tr><th>${t("name")}</th><th>${t("settings.account")}</th><th>${t("settings.role")}</th><th>${t("settings.active")}</th><th>${t("settings.default")}</th><th>${t("settings.told_about")}</th></tr></thead>
      <tbody>${members.map((one, index) => html`<tr key=${index}>
        <td><${Input} label=${t("name")} value=${one.name} onInput=${(name) => change(index, { name })} /></td>
        <td><${Input} label=${t("settings.account")} value=${one.staff_id} onInput=${(id) => change(index, { staff_id: id })} /></td>
        <td><select aria-label=${t("settings.role_of", { name: one.name })} onChange=${(event) => change(index, { role: event.target.value })}>
          ${["member", "administrator"].map((role) => html`<option key=${role} value=${role} selected=${role === one.role}>${t(`role.${role}`)}</option>`)}</select></td>
        <td><input type="checkbox" aria-label=${t("settings.active_of", { name: one.name })} checked=${one.active} onChange=${(event) => change(index, { active: event.target.checked })} /></td>
        <td><input type="checkbox" aria-label=${t("settings.default_of", { name: one.name })} checked=${defaults.includes(one.staff_id)}
          onChange=${(event) => edit({ default_subscribers: event.target.checked ? [...defaults, one.staff_id] : defaults.filter((id) => id !== one.staff_id) })} /></td>
        <td class="subscription-words">
          ${subscriptionWords(one, choices, on).map((words) => html`<div key=${words}>${words}</div>`)}
          ${one.unassigned && html`<div>${t("inbox.unassigned")}</div>`}
          <button type="button" class="link" onClick=${() => setOpened(index)}>${t("change")}<span class="visually-hidden"> ${one.name}</span></button>
        </td>
      </tr>`)}</tbody>
    </table></div>
    <button type="button" onClick=${add}>${t("settings.add_member")}</button>
    ${chosen && html`<${Dialog} title=${t("settings.told_about_of", { name: chosen.name })} wide=${true} onClose=${() => setOpened(null)}>
      <${SubscriptionEditor} value=${chosen} choices=${choices} on=${on} onChange=${({ subscriptions, unassigned }) => change(opened, { subscriptions, unassigned })} />
      <div class="row end"><button type="button" class="primary" onClick=${() => setOpened(null)}>${t("done")}</button></div>
    </${Dialog}>`}
  </section>`;
}

export function SettingsEditor() {
  const { settings, places } = useStore(draft);
  return html`<${Switches} settings=${settings} /><${Reasons} settings=${settings} /><${Members} settings=${settings} places=${places} />
    <${SharedInboxes} settings=${settings} /><${Extensions} settings=${settings} />`;
}
