// Connections to practice-management systems on `/operations`: how each goes, its last runs, and what waits in quarantine.

import { html } from "./preact.js";
import { api, practicePath } from "./client.js";
import { fullTime, since, t } from "./page.js";
import { say, useAnswer, wordsOf } from "./parts.js";

const FACTS = ["last_success_at", "last_run_at", "newest_data_at", "lag_seconds", "quarantined", "last_problem"];
const COUNTS = ["new", "changed", "removed"];
const RUNS_SHOWN = 10;

const Problem = ({ error }) => html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`;

/** Do something, say what came of it, and look again. */
async function act(ask, words, again) {
  try {
    await ask();
    say(words);
  } catch (failure) {
    say(wordsOf(failure), { kind: "bad" });
  }
  again();
}

export function Connections() {
  const { value, error, again } = useAnswer(() => api("GET", practicePath("pm-connections")), "");
  return html`<section class="card">
    <div class="line"><h2 class="grow">${t("pm.title")}</h2><button type="button" onClick=${again}>${t("refresh")}</button></div>
    ${error && html`<${Problem} error=${error} />`}
    ${value?.length === 0 && html`<p class="notice warn">${t("pm.none")}</p>`}
    ${value?.length > 0 && html`<ul class="rows">${value.map((one) => html`<${Connection} key=${one.id} one=${one} turn=${value} />`)}</ul>`}
  </section>`;
}

function Connection({ one, turn }) {
  const path = practicePath(`pm-connections/${encodeURIComponent(one.id)}`);
  const { value, error, again } = useAnswer(() => api("GET", `${path}/status`), turn);
  const ask = () => act(() => api("POST", `${path}/sync-now`), t("pm.asked"), again);
  return html`<li class="connection-row">
    <div class="line">
      <strong>${one.id}</strong> <span class="label place">${one.kind}</span>
      ${value?.state && html`<span class=${`flag state-${value.state}`}>${t(`pm.state.${value.state}`)}</span>`}
      <span class="grow"></span>
      ${one.kind === "fhir-r4" && html`<button type="button" onClick=${ask}>${t("pm.ask")}<span class="visually-hidden"> ${one.id}</span></button>`}
    </div>
    ${error && html`<${Problem} error=${error} />`}
    ${value && html`<dl class="facts">${FACTS.filter((name) => value[name] !== null).map((name) => html`<div key=${name}>
      <dt>${t(`pm.${name}`)}</dt><dd>${name.endsWith("_at") ? `${fullTime(value[name])} (${since(value[name])})` : name === "lag_seconds" ? Number(value[name]).toFixed(1) : String(value[name])}</dd></div>`)}</dl>`}
    ${value?.runs.length > 0 && html`<${LastRuns} runs=${value.runs.slice(0, RUNS_SHOWN)} />`}
    ${value?.quarantined > 0 && html`<${Quarantine} path=${path} turn=${value} onChange=${again} />`}
  </li>`;
}

function LastRuns({ runs }) {
  return html`<details><summary>${t("pm.runs")}</summary>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("pm.runs")}><table>
      <thead><tr><th>${t("pm.run_at")}</th><th>${t("pm.run_kind")}</th><th>${t("pm.run_outcome")}</th>
        ${COUNTS.map((name) => html`<th class="number" key=${name}>${t(`pm.count.${name}`)}</th>`)}</tr></thead>
      <tbody>${runs.map((run) => html`<tr key=${run.started_at}>
        <td>${fullTime(run.started_at)}</td><td>${t(`pm.kind.${run.kind}`)}</td>
        <td>${t(`pm.outcome.${run.outcome}`)}${run.problem && `: ${run.problem}`}</td>
        ${COUNTS.map((name) => html`<td class="number" key=${name}>${run.counts[name]}</td>`)}</tr>`)}</tbody>
    </table></div>
  </details>`;
}

function Quarantine({ path, turn, onChange }) {
  const { value, error } = useAnswer(() => api("GET", `${path}/quarantine`), turn);
  const at = (item) => `${path}/quarantine/${encodeURIComponent(item.item_id)}`;
  const retry = (item) => act(() => api("POST", `${at(item)}/retry`), t("pm.taken"), onChange);
  const discard = (item) => act(() => api("DELETE", at(item)), t("pm.discarded"), onChange);
  return html`<details><summary>${t("pm.quarantine")}</summary>
    ${error && html`<${Problem} error=${error} />`}
    <ul class="rows">${value?.map((item) => html`<li class="row" key=${item.item_id}>
      <span class="grow">${item.reason} · ${since(item.last_at)}</span>
      ${item.has_raw && html`<button type="button" onClick=${() => retry(item)}>${t("pm.retry")}<span class="visually-hidden"> ${item.reason}</span></button>`}
      <button type="button" onClick=${() => discard(item)}>${t("pm.discard")}<span class="visually-hidden"> ${item.reason}</span></button>
    </li>`)}</ul>
  </details>`;
}
