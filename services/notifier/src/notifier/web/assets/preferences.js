// How one wants to be told who is not looking: by push and e-mail, by inbox and hour. Each person's own.

import { html } from "./preact.js";
import { api } from "./client.js";
import { minutes, minutesOf } from "./durations.js";
import { hereZone, HoursEditor, MinutesField, ZoneField } from "./hours.js";
import { t } from "./page.js";
import { Checkbox, useAnswer } from "./parts.js";
import { ThisBrowser } from "./push.js";
import { SavedForm, useSaved } from "./saved.js";

const NAMES = ["since", "until"];
const DAY = 24 * 60;
const NEW = { push: { inboxes: "all", hours: [], wait: minutes(0) }, email: { inboxes: "all", hours: [], wait: minutes(15), address: "" } };

/** Whoever has said nothing yet lives in the browser's time zone. */
const begin = (found) => (found.push || found.email || found.time_zone !== "UTC" ? found : { ...found, time_zone: hereZone() });

function nameOf(inbox, practice) {
  const id = inbox.startsWith("shared:") && inbox.slice("shared:".length);
  return id ? (practice.shared_inboxes.find((one) => one.id === id)?.label ?? id) : t(`inbox.${inbox}`);
}

function Wish({ channel, wish, practice, inboxes, onChange, children }) {
  const edit = (change) => onChange({ ...wish, ...change });
  const isAll = wish?.inboxes === "all";
  const toggle = (inbox, on) => edit({ inboxes: on ? [...wish.inboxes, inbox] : wish.inboxes.filter((one) => one !== inbox) });
  return html`<fieldset class="wish">
    <legend>${t(`prefs.${channel}`)}</legend>
    <${Checkbox} label=${t(`prefs.${channel}.on`)} checked=${Boolean(wish)} onChange=${(on) => onChange(on ? NEW[channel] : null)} />
    ${children}
    ${wish && html`
      ${channel === "email" && html`<label class="field"><span>${t("prefs.address")}</span>
        <input type="email" required autocomplete="email" maxlength="254" value=${wish.address} onInput=${(event) => edit({ address: event.target.value })} /></label>`}
      <${MinutesField} label=${t(`prefs.${channel}.wait`)} value=${minutesOf(wish.wait)} least=${channel === "email" ? 1 : 0} most=${DAY} onChange=${(n) => edit({ wait: minutes(n) })} />
      <fieldset><legend>${t("prefs.inboxes")}</legend>
        <${Checkbox} label=${t("prefs.inboxes.all")} checked=${isAll} onChange=${(on) => edit({ inboxes: on ? "all" : inboxes })} />
        ${!isAll && html`<div class="choices-grid">${[...new Set([...inboxes, ...wish.inboxes])].map((inbox) => html`<${Checkbox} key=${inbox}
          label=${nameOf(inbox, practice)} checked=${wish.inboxes.includes(inbox)} onChange=${(on) => toggle(inbox, on)} />`)}</div>`}
      </fieldset>
      <${HoursEditor} legend=${t("prefs.hours")} names=${NAMES} value=${wish.hours} none=${t("prefs.hours.none")} onChange=${(hours) => edit({ hours })} />`}
  </fieldset>`;
}

export function Preferences({ practice }) {
  const saved = useSaved("/v1/notification-preferences", begin);
  const { value: listed } = useAnswer(() => api("GET", "/v1/inboxes"), "");
  const { value, edit } = saved;
  if (!value || !listed) return html`<p class="empty">${saved.problem ?? t("loading")}</p>`;
  const inboxes = listed.map((one) => one.inbox).filter((one) => one !== "mine");
  const wish = { practice, inboxes };
  return html`<section class="card">
    <h2>${t("notifications.mine")}</h2>
    <p class="soft">${t("prefs.about")}</p>
    <${SavedForm} saved=${saved} label=${t("notifications.mine")}>
      <div class="columns">
        <${Wish} ...${wish} channel="push" wish=${value.push} onChange=${(push) => edit({ push })}>
          <${ThisBrowser} isWanted=${Boolean(value.push)} />
        </${Wish}>
        <${Wish} ...${wish} channel="email" wish=${value.email} onChange=${(email) => edit({ email })} />
      </div>
      <${HoursEditor} legend=${t("prefs.quiet")} names=${NAMES} value=${value.quiet_hours} first=${["22:00", "07:00"]} onChange=${(quiet) => edit({ quiet_hours: quiet })} />
      <p class="soft">${t("prefs.quiet.about")}</p>
      <${Checkbox} label=${t("prefs.urgent")} checked=${value.urgent_always} onChange=${(on) => edit({ urgent_always: on })} />
      <${ZoneField} value=${value.time_zone} onChange=${(zone) => edit({ time_zone: zone })} />
    </${SavedForm}>
  </section>`;
}
