// Hours of the week, time zones and minutes, as forms ask for them.

import { html } from "./preact.js";
import { data, t } from "./page.js";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MONDAY = Date.UTC(2024, 0, 1);
const weekday = new Intl.DateTimeFormat(data.language, { weekday: "short", timeZone: "UTC" });
const dayNames = Object.fromEntries(DAYS.map((day, n) => [day, weekday.format(MONDAY + n * 86_400_000)]));

export const hereZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
const clockOf = (time) => time.slice(0, 5); // the API has seconds

/** Hours in words: "Mon, Tue 08:00–17:00". */
export const hoursWords = (one, [from, to]) => `${one.days.map((day) => dayNames[day]).join(", ")} ${clockOf(one[from])}–${clockOf(one[to])}`;

/** Rows of days with a beginning and an end; `names` are the two fields of the API. */
export function HoursEditor({ legend, value, names: [from, to], onChange, none = null, first = ["08:00", "17:00"] }) {
  const write = (index, change) => onChange(value.map((one, at) => (at === index ? { ...one, ...change } : one)));
  const toggle = (index, day, on) => write(index, { days: DAYS.filter((one) => (one === day ? on : value[index].days.includes(one))) });
  const add = () => onChange([...value, { days: DAYS.slice(0, 5), [from]: first[0], [to]: first[1] }]);
  const clock = (index, name, key) => html`<label class="field"><span>${t(key)}</span>
    <input type="time" required value=${clockOf(value[index][name])} onInput=${(event) => write(index, { [name]: event.target.value })} /></label>`;
  return html`<fieldset>
    <legend>${legend}</legend>
    ${value.map((one, index) => html`<div class="hours" role="group" aria-label=${t("hours.number", { n: index + 1 })} key=${index}>
      <div class="days">${DAYS.map((day) => html`<label class="check" key=${day}>
        <input type="checkbox" checked=${one.days.includes(day)} onChange=${(event) => toggle(index, day, event.target.checked)} /><span>${dayNames[day]}</span></label>`)}</div>
      <div class="row">${clock(index, from, "hours.from")}${clock(index, to, "hours.to")}
        ${one[to] <= one[from] && html`<span class="soft">${t("hours.next_day")}</span>`}
        <span class="grow"></span>
        <button type="button" class="link" onClick=${() => onChange(value.filter((_, at) => at !== index))}>${t("remove")}<span class="visually-hidden"> ${t("hours.number", { n: index + 1 })}</span></button></div>
    </div>`)}
    ${value.length === 0 && none && html`<p class="soft">${none}</p>`}
    <button type="button" onClick=${add}>${t("hours.add")}<span class="visually-hidden"> (${legend})</span></button>
  </fieldset>`;
}

/** A time zone, or with `none` the words for having none of one's own. */
export function ZoneField({ value, onChange, none = null }) {
  const known = Intl.supportedValuesOf("timeZone");
  const zones = ["UTC", ...known.filter((one) => one !== "UTC")];
  if (value && !zones.includes(value)) zones.unshift(value);
  return html`<label class="field"><span>${t("time_zone")}</span>
    <select onChange=${(event) => onChange(event.target.value || null)}>
      ${none && html`<option value="" selected=${!value}>${none}</option>`}
      ${zones.map((zone) => html`<option key=${zone} value=${zone} selected=${zone === value}>${zone.replaceAll("_", " ")}</option>`)}
    </select></label>`;
}

export function MinutesField({ label, value, least = 0, most, onChange }) {
  return html`<label class="field"><span>${label}</span>
    <input type="number" required min=${least} max=${most} value=${value} onInput=${(event) => onChange(Number(event.target.value))} /></label>`;
}
