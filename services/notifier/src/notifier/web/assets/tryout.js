// Trying: where a message like this would go, and who would have been told of last week's messages by the draft.

import { html, useRef, useState } from "./preact.js";
import { api, practicePath, request } from "./client.js";
import { cellWords, draft, memberName } from "./draft.js";
import { Decision } from "./explanation.js";
import { data, fullTime, labelOf, many, t } from "./page.js";
import { wordsOf } from "./parts.js";
import { useStore } from "./store.js";

const MOST_SHOWN = 200;

function Choice({ label, name, options }) {
  return html`<label class="field"><span>${label}</span><select name=${name}>
    ${options.map(([value, words]) => html`<option key=${value} value=${value}>${words}</option>`)}</select></label>`;
}

function Simulate() {
  const { settings, places, isChanged } = useStore(draft);
  const [answer, setAnswer] = useState(null);
  const [problem, setProblem] = useState(null);
  const ask = async (event) => {
    event.preventDefault();
    const form = Object.fromEntries([...new FormData(event.target)].filter(([, value]) => value));
    setProblem(null);
    try {
      setAnswer(await api("POST", practicePath("simulate"), { body: { ...form, language: data.language, ...(isChanged ? { settings } : {}) } }));
    } catch (error) {
      setProblem(wordsOf(error));
    }
  };
  const none = [["", "–"]];
  return html`<section class="card">
    <h2>${t("simulate.title")}</h2>
    <p class="soft">${t(isChanged ? "simulate.by_draft" : "simulate.by_saved")}</p>
    <form class="row asking" onSubmit=${ask}>
      <${Choice} label=${t("simulate.channel")} name="channel" options=${["web", "sms", "voicemail"].map((one) => [one, t(`channel.${one}`)])} />
      <${Choice} label=${t("simulate.reason")} name="requested_reason_id" options=${[...none, ...settings.reasons.map((one) => [one.id, labelOf(one.label)]), ["other", t("reason.other")]]} />
      <${Choice} label=${t("location")} name="location_id" options=${[...none, ...places.locations.map((one) => [one.id, one.name])]} />
      <${Choice} label=${t("simulate.extension")} name="extension" options=${[...none, ...settings.extensions.map((one) => [one.digits, one.digits])]} />
      <button type="submit" class="primary">${t("simulate.ask")}</button>
    </form>
    <div aria-live="polite">
      ${problem && html`<p class="notice bad">${problem}</p>`}
      ${answer && html`<p class=${`notice ${answer.unrouted ? "bad" : "good"}`}>
        ${answer.audience.length ? t("simulate.told", { who: answer.audience.map((one) => memberName(one.staff_id)).join(", ") }) : t("simulate.nobody")}</p>
        <${Decision} result=${answer} words=${answer.explanation} />`}
    </div>
  </section>`;
}

/** Each line of a stream of JSON lines, as it comes. */
async function* linesOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += value ?? "";
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) yield JSON.parse(line);
    if (done) return;
  }
}

function Differences({ rows }) {
  if (!rows.length) return null;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("what_if.differences")}><table>
    <thead><tr><th>${t("what_if.when")}</th><th>${t("what_if.about")}</th><th>${t("what_if.newly")}</th><th>${t("what_if.no_longer")}</th></tr></thead>
    <tbody>${rows.map((one) => html`<tr key=${one.message_id}>
      <td>${fullTime(one.received_at)}<div class="soft">${t(`channel.${one.channel}`)}</div></td>
      <td>${cellWords({ ...one.under_draft, reason_id: one.under_draft.reason_id ?? "other", location_id: one.under_draft.location_id ?? "unknown" })}</td>
      <td>${one.newly_told.map(memberName).join(", ")}</td>
      <td>${one.no_longer_told.map(memberName).join(", ")}${one.under_draft.unrouted ? html` <span class="flag">${t("coverage.nobody")}</span>` : ""}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

function WhatIf() {
  const { settings, isChanged } = useStore(draft);
  const [run, setRun] = useState(null);
  const stop = useRef(null);
  const start = async (event) => {
    event.preventDefault();
    const days = Number(new FormData(event.target).get("days"));
    const since = new Date(Date.now() - days * 86_400_000).toISOString();
    stop.current = new AbortController();
    let state = { done: 0, total: null, rows: [], summary: null, problem: null };
    setRun(state);
    try {
      const response = await request("POST", practicePath("what-if"), { body: { since, settings }, signal: stop.current.signal });
      for await (const line of linesOf(response)) {
        if (line.kind === "progress") state = { ...state, done: line.done, total: line.total };
        if (line.kind === "difference" && state.rows.length < MOST_SHOWN) state = { ...state, rows: [...state.rows, line] };
        if (line.kind === "summary") state = { ...state, summary: line };
        setRun(state);
      }
    } catch (error) {
      setRun(error.name === "AbortError" ? null : { ...state, problem: wordsOf(error) });
    }
  };
  const isRunning = run && !run.summary && !run.problem;
  return html`<section class="card">
    <h2>${t("what_if.title")}</h2>
    <p class="soft">${t(isChanged ? "what_if.about_draft" : "what_if.no_draft")}</p>
    <form class="row asking" onSubmit=${start}>
      <${Choice} label=${t("what_if.span")} name="days" options=${[1, 7, 30].map((n) => [n, many("days", n)])} />
      <button type="submit" class="primary" disabled=${isRunning}>${t("what_if.start")}</button>
      ${isRunning && html`<button type="button" onClick=${() => stop.current.abort()}>${t("what_if.stop")}</button>`}
    </form>
    ${isRunning && html`<p><progress max=${run.total ?? 1} value=${run.total ? run.done : undefined} aria-label=${t("what_if.title")}></progress> ${run.total ? `${run.done} / ${run.total}` : ""}</p>`}
    <div aria-live="polite">
      ${run?.problem && html`<p class="notice bad">${run.problem}</p>`}
      ${run?.summary && html`<p class="notice ${run.summary.unrouted_under_draft > run.summary.unrouted_then ? "warn" : "good"}">
        ${many("what_if.messages", run.summary.messages)} ${many("what_if.different", run.summary.different)}${" "}
        ${t("what_if.unrouted", { then: run.summary.unrouted_then, now: run.summary.unrouted_under_draft })}</p>`}
    </div>
    ${run && html`<${Differences} rows=${run.rows} />`}
  </section>`;
}

export const TryOut = () => html`<${Simulate} /><${WhatIf} />`;
