// Who is on duty, and the conversations that nobody has looked at for so long that further people are rung.

import { html } from "./preact.js";
import { alarm } from "./alarm.js";
import { api } from "./client.js";
import { data, many, t } from "./page.js";
import { Notice } from "./parts.js";
import { createStore, useStore } from "./store.js";

export const waiting = createStore({ escalations: [] });

const ringsMe = (one) => one.steps.some((step) => step.staff_ids.includes(data.staff_id));

let heard = 0;

/** Read anew, and again if something was heard meanwhile: the answer may be older than that. */
export async function readEscalations() {
  let before;
  do {
    before = heard;
    waiting.set({ escalations: await api("GET", "/v1/escalations") });
  } while (before !== heard);
}

export function onEscalation(event) {
  heard += 1;
  const { escalations } = waiting.get();
  const others = escalations.filter((one) => one.escalation_id !== event.escalation_id);
  const rang = escalations.some((one) => one.escalation_id === event.escalation_id && ringsMe(one));
  waiting.set({ escalations: event.ended ? others : [...others, event] });
  if (!event.ended && ringsMe(event) && !rang) alarm(null);
}

export function EscalatedFlag({ id }) {
  const { escalations } = useStore(waiting);
  const isWaiting = escalations.some((one) => one.conversation_id === id);
  return isWaiting && html`<span class="flag urgent" title=${t("escalated.long")}>${t("escalated")}</span>`;
}

export function DutyNotices({ practice, onOpen }) {
  const { escalations } = useStore(waiting);
  const mine = escalations.filter(ringsMe);
  return html`
    ${practice?.duty?.on_duty.length === 0 && html`<${Notice} kind="warn">${t("duty.nobody")}</${Notice}>`}
    ${mine.length > 0 && html`<${Notice} kind="warn">
      ${many("escalated.to_you", mine.length)}${" "}
      <button type="button" onClick=${() => onOpen(mine[0].conversation_id)}>${t("escalated.open")}</button>
    </${Notice}>`}`;
}
