// When the practice is open and who is on duty: everybody sees it; administrators set it, one's own everybody.

import { html, useState } from "./preact.js";
import { api } from "./client.js";
import { hereZone, HoursEditor, hoursWords, ZoneField } from "./hours.js";
import { data, t } from "./page.js";
import { Checkbox, Dialog, say, useAnswer, wordsOf } from "./parts.js";

const PATH = "/v1/duty";
const NAMES = ["start", "end"];
const WHENEVER_OPEN = { shifts: null, time_zone: null, works_on_holidays: false, away: [], substitute: null };
const SHIFTS = [{ days: ["mon", "tue", "wed", "thu", "fri"], start: "08:00", end: "17:00" }];
const today = () => new Date().toISOString().slice(0, 10);

const DateField = ({ label, value, onInput }) => html`<label class="field"><span>${label}</span>
  <input type="date" required value=${value} onInput=${(event) => onInput(event.target.value)} /></label>`;

function useForm(path, given, onSaved) {
  const [value, setValue] = useState(given);
  const [problem, setProblem] = useState(null);
  const save = async (event) => {
    event.preventDefault();
    try {
      await api("PUT", path, { body: value });
      setProblem(null);
      say(t("saved"));
      onSaved();
    } catch (failure) {
      setProblem(wordsOf(failure));
    }
  };
  return { value, problem, save, edit: (change) => setValue({ ...value, ...change }) };
}

function PracticeHours({ hours, onSaved }) {
  const isNew = hours.open === null && hours.time_zone === "UTC" && !hours.holidays.length;
  const { value, problem, save, edit } = useForm(PATH, isNew ? { ...hours, time_zone: hereZone() } : hours, onSaved);
  const holidays = value.holidays;
  return html`<section class="card">
    <h2>${t("duty.practice")}</h2>
    <form class="stack" aria-label=${t("duty.practice")} onSubmit=${save}>
      <${ZoneField} value=${value.time_zone} onChange=${(zone) => edit({ time_zone: zone })} />
      <${Checkbox} label=${t("duty.always_open")} checked=${value.open === null} onChange=${(on) => edit({ open: on ? null : SHIFTS })} />
      ${value.open && html`<${HoursEditor} legend=${t("duty.open")} names=${NAMES} value=${value.open} onChange=${(open) => edit({ open })} />`}
      <fieldset><legend>${t("duty.holidays")}</legend>
        ${holidays.map((one, index) => html`<div class="row" key=${index}>
          <${DateField} label=${t("duty.holiday", { n: index + 1 })} value=${one} onInput=${(day) => edit({ holidays: holidays.map((it, at) => (at === index ? day : it)) })} />
          <button type="button" class="link" onClick=${() => edit({ holidays: holidays.filter((_, at) => at !== index) })}>${t("remove")}<span class="visually-hidden"> ${one}</span></button>
        </div>`)}
        <button type="button" onClick=${() => edit({ holidays: [...holidays, today()] })}>${t("duty.add_holiday")}</button>
      </fieldset>
      <label class="field"><span>${t("duty.auto_reply")}</span>
        <textarea rows="3" maxlength="1000" onInput=${(event) => edit({ auto_reply: event.target.value || null })}>${value.auto_reply ?? ""}</textarea></label>
      <p class="soft">${t("duty.auto_reply.about")}</p>
      ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
      <div class="row end"><button type="submit" class="primary">${t("save")}</button></div>
    </form>
  </section>`;
}

function PersonTimes({ person, times, colleagues, onClose, onSaved }) {
  const form = useForm(`${PATH}/${encodeURIComponent(person.staff_id)}`, times, () => { onClose(); onSaved(); });
  const { value, problem, save, edit } = form;
  const write = (index, change) => edit({ away: value.away.map((one, at) => (at === index ? { ...one, ...change } : one)) });
  return html`<${Dialog} title=${t("duty.of", { name: person.name })} wide=${true} onClose=${onClose}>
    <form class="stack" onSubmit=${save}>
      <${Checkbox} label=${t("duty.whenever_open")} checked=${value.shifts === null} onChange=${(on) => edit({ shifts: on ? null : SHIFTS })} />
      ${value.shifts && html`<${HoursEditor} legend=${t("duty.shifts")} names=${NAMES} value=${value.shifts} onChange=${(shifts) => edit({ shifts })} />`}
      <${ZoneField} value=${value.time_zone} none=${t("duty.practice_zone")} onChange=${(zone) => edit({ time_zone: zone })} />
      <${Checkbox} label=${t("duty.works_on_holidays")} checked=${value.works_on_holidays} onChange=${(on) => edit({ works_on_holidays: on })} />
      <fieldset><legend>${t("duty.away")}</legend>
        ${value.away.map((one, index) => html`<div class="row" key=${index}>
          <${DateField} label=${t("duty.first")} value=${one.first} onInput=${(first) => write(index, { first })} />
          <${DateField} label=${t("duty.last")} value=${one.last} onInput=${(last) => write(index, { last })} />
          <button type="button" class="link" onClick=${() => edit({ away: value.away.filter((_, at) => at !== index) })}>${t("remove")}<span class="visually-hidden"> ${one.first}</span></button>
        </div>`)}
        <button type="button" onClick=${() => edit({ away: [...value.away, { first: today(), last: today() }] })}>${t("duty.add_away")}</button>
      </fieldset>
      <label class="field"><span>${t("duty.substitute")}</span>
        <select onChange=${(event) => edit({ substitute: event.target.value || null })}>
          <option value="" selected=${!value.substitute}>${t("duty.nobody_substitutes")}</option>
          ${colleagues.map((one) => html`<option key=${one.staff_id} value=${one.staff_id} selected=${one.staff_id === value.substitute}>${one.name}</option>`)}
        </select></label>
      ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
      <div class="row end"><button type="button" onClick=${onClose}>${t("cancel")}</button><button type="submit" class="primary">${t("save")}</button></div>
    </form>
  </${Dialog}>`;
}

function timesWords(times, nameOf) {
  const shifts = times?.shifts ? times.shifts.map((one) => hoursWords(one, NAMES)).join("; ") || t("duty.never") : t("duty.whenever_open");
  return times?.substitute ? `${shifts} · ${t("duty.substituted_by", { name: nameOf(times.substitute) })}` : shifts;
}

export function Duty({ practice }) {
  const { value, error, again } = useAnswer(() => api("GET", PATH), "");
  const [opened, setOpened] = useState(null);
  if (!value) return html`<p class="empty">${error ? wordsOf(error) : t("loading")}</p>`;
  const people = practice.members.filter((one) => one.active);
  const nameOf = (id) => practice.members.find((one) => one.staff_id === id)?.name ?? id;
  const mayChange = (one) => data.role === "administrator" || one.staff_id === data.staff_id;
  const person = people.find((one) => one.staff_id === opened);
  return html`<section class="card">
    <h2>${t("duty.people")}</h2>
    <p class="soft">${t("duty.about")}</p>
    <ul class="rows">${people.map((one) => html`<li class="line" key=${one.staff_id}>
      <span class="grow"><strong>${one.name}</strong>${" "}
        ${value.now && html`<span class=${`flag ${value.now.on_duty.includes(one.staff_id) ? "state-ok" : ""}`}>${t(value.now.on_duty.includes(one.staff_id) ? "duty.on" : "duty.off")}</span>`}
        <span class="soft times">${timesWords(value.people[one.staff_id], nameOf)}</span></span>
      ${mayChange(one) && html`<button type="button" onClick=${() => setOpened(one.staff_id)}>${t("change")}<span class="visually-hidden"> ${one.name}</span></button>`}
    </li>`)}</ul>
    ${person && html`<${PersonTimes} person=${person} times=${{ ...WHENEVER_OPEN, ...value.people[opened] }} colleagues=${people.filter((one) => one !== person)}
      onClose=${() => setOpened(null)} onSaved=${again} />`}
  </section>
  ${data.role === "administrator" && html`<${PracticeHours} hours=${value.hours} onSaved=${again} />`}`;
}
