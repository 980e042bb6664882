// Whom a message rings that nobody sees, step by step.

import { html } from "./preact.js";
import { practicePath } from "./client.js";
import { MinutesField } from "./hours.js";
import { t } from "./page.js";
import { Checkbox } from "./parts.js";
import { SavedForm, useSaved } from "./saved.js";

const RINGS = ["same_reason", "default_subscribers", "administrators"];
const WEEK = 7 * 24 * 60;

export function Ladder() {
  const saved = useSaved(practicePath("escalation"));
  const { value, edit } = saved;
  if (!value) return html`<p class="empty">${saved.problem ?? t("loading")}</p>`;
  const { steps } = value;
  const write = (index, change) => edit({ steps: steps.map((one, at) => (at === index ? { ...one, ...change } : one)) });
  const add = () => edit({ steps: [...steps, { after_minutes: 15, ring: RINGS.find((ring) => !steps.some((one) => one.ring === ring)) ?? "administrators" }] });
  return html`<section class="card">
    <h2>${t("notifications.ladder")}</h2>
    <p class="soft">${t("ladder.about")}</p>
    <${SavedForm} saved=${saved} label=${t("notifications.ladder")}>
      ${steps.length === 0 && html`<p class="notice warn">${t("ladder.none")}</p>`}
      <ol class="rows">${steps.map((one, index) => html`<li class="row asking step" key=${index}>
        <${MinutesField} label=${t(index ? "ladder.after_that" : "ladder.after")} value=${one.after_minutes} least=${1} most=${WEEK} onChange=${(n) => write(index, { after_minutes: n })} />
        <label class="field"><span>${t("ladder.ring")}</span>
          <select onChange=${(event) => write(index, { ring: event.target.value })}>
            ${RINGS.map((ring) => html`<option key=${ring} value=${ring} selected=${ring === one.ring}>${t(`ladder.${ring}`)}</option>`)}
          </select></label>
        <button type="button" class="link" onClick=${() => edit({ steps: steps.filter((_, at) => at !== index) })}>${t("remove")}<span class="visually-hidden"> ${t("ladder.step", { n: index + 1 })}</span></button>
      </li>`)}</ol>
      <div><button type="button" disabled=${steps.length >= 10} onClick=${add}>${t("ladder.add")}</button></div>
      <${Checkbox} label=${t("ladder.through_quiet_hours")} checked=${value.through_quiet_hours} onChange=${(on) => edit({ through_quiet_hours: on })} />
    </${SavedForm}>
  </section>`;
}
