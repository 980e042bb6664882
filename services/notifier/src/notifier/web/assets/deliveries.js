// What an endpoint was sent, or still has to be, and the way to send it again.

import { html, useState } from "./preact.js";
import { api } from "./client.js";
import { fullTime, many, t } from "./page.js";
import { say, useAnswer, wordsOf } from "./parts.js";

const STATES = ["", "pending", "delivered", "failed"];
const HOUR = 3_600_000;

/** An instant as `datetime-local` has it, in the browser's zone. */
const local = (at) => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

export const errorWords = (error, status) => t(`delivery.error.${error.startsWith("answered_") ? "answered" : error}`, { status });

function Replay({ path, onDone }) {
  const [at, setAt] = useState(local(Date.now() - HOUR));
  const replay = async (event) => {
    event.preventDefault();
    try {
      const { queued } = await api("POST", `${path}/replay`, { body: { since: new Date(at).toISOString() } });
      say(many("webhooks.replayed", queued));
      onDone();
    } catch (failure) {
      say(wordsOf(failure), { kind: "bad" });
    }
  };
  return html`<form class="row asking" onSubmit=${replay}>
    <label class="field"><span>${t("webhooks.replay.since")}</span><input type="datetime-local" required value=${at} onInput=${(event) => setAt(event.target.value)} /></label>
    <button type="submit">${t("webhooks.replay")}</button>
  </form>`;
}

export function Deliveries({ path, turn }) {
  const [state, setState] = useState("");
  const [cursors, setCursors] = useState([]);
  const query = new URLSearchParams({ limit: 20, ...(state && { state }), ...(cursors.length && { cursor: cursors.at(-1) }) });
  const { value, error, again } = useAnswer(() => api("GET", `${path}/deliveries?${query}`), `${query} ${turn}`);
  const choose = (event) => { setState(event.target.value); setCursors([]); };
  return html`<div class="log">
    <div class="row asking">
      <label class="field"><span>${t("webhooks.log.state")}</span><select onChange=${choose}>${STATES.map((one) => html`<option key=${one} value=${one}>${t(`webhooks.log.${one || "all"}`)}</option>`)}</select></label>
      <button type="button" onClick=${again}>${t("refresh")}</button>
      <span class="grow"></span>
      <${Replay} path=${path} onDone=${again} />
    </div>
    ${error && html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`}
    ${value?.deliveries.length === 0 && html`<p class="empty">${t("webhooks.log.none")}</p>`}
    ${value?.deliveries.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label=${t("webhooks.log")}><table>
      <thead><tr><th>${t("webhooks.log.at")}</th><th>${t("webhooks.log.event")}</th><th>${t("webhooks.log.state")}</th><th class="number">${t("webhooks.log.attempts")}</th><th>${t("webhooks.log.next")}</th></tr></thead>
      <tbody>${value.deliveries.map((one) => html`<tr key=${one.serial}>
        <td>${fullTime(one.happened_at)}</td><td>${t(`event.${one.event}`)}</td>
        <td>${t(`webhooks.log.${one.state}`)}${one.error && ` (${errorWords(one.error, one.status)})`}${one.state === "delivered" && one.milliseconds !== null && ` (${one.milliseconds} ms)`}</td>
        <td class="number">${one.attempts}</td>
        <td>${one.state === "pending" && one.next_attempt_at ? fullTime(one.next_attempt_at) : ""}</td></tr>`)}</tbody>
    </table></div>
    <div class="row end">
      <button type="button" disabled=${!cursors.length} onClick=${() => setCursors(cursors.slice(0, -1))}>${t("webhooks.log.newer")}</button>
      <button type="button" disabled=${value.cursor === null} onClick=${() => setCursors([...cursors, value.cursor])}>${t("webhooks.log.older")}</button>
    </div>`}
  </div>`;
}
