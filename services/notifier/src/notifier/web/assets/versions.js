// Every version of the settings: who saved it when, what it changed, and the way back.

import { html, useState } from "./preact.js";
import { api, practicePath } from "./client.js";
import { bringBack, draft, memberName } from "./draft.js";
import { minutesOf } from "./durations.js";
import { fullTime, t } from "./page.js";
import { Dialog, useAnswer, wordsOf } from "./parts.js";
import { useStore } from "./store.js";

const length = (minutes) => (minutes % 60 ? `${minutes} min` : `${minutes / 60} h`);

/** A value of the settings for people: no brackets, and what belongs together in one line. */
function shown(value) {
  if (value === null) return t("nothing");
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (Array.isArray(value)) return value.map(shown).join(", ") || t("none");
  if (typeof value === "object") return Object.entries(value).map(([name, one]) => `${name}: ${shown(one)}`).join("; ");
  return /^P(?=\d|T\d)(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?$/.test(value) ? length(minutesOf(value)) : String(value);
}

function Changes({ version, against = null }) {
  const query = against === null ? "" : `?against=${against}`;
  const { value, error } = useAnswer(() => api("GET", practicePath(`routing-settings/versions/${version}/changes${query}`)), `${version} ${against}`);
  if (error) return html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`;
  if (!value) return html`<p class="soft">${t("loading")}</p>`;
  if (!value.length) return html`<p class="soft">${t("history.same")}</p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("history.changes")}><table class="diff">
    <thead><tr><th>${t("history.place")}</th><th>${t("history.before")}</th><th>${t("history.after")}</th></tr></thead>
    <tbody>${value.map((one) => html`<tr key=${one.place}><td><code>${one.place}</code></td><td class="before">${shown(one.before)}</td><td class="after">${shown(one.after)}</td></tr>`)}</tbody>
  </table></div>`;
}

export function History() {
  const { saved } = useStore(draft);
  const { value, error } = useAnswer(() => api("GET", practicePath("routing-settings/versions")), saved.version);
  const [opened, setOpened] = useState(null);
  const [returning, setReturning] = useState(null);
  if (error) return html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`;
  if (!value) return html`<p class="empty">${t("loading")}</p>`;
  return html`<section class="card">
    <h2>${t("routing.history")}</h2>
    <ol class="versions">${value.map((one) => html`<li key=${one.version}>
      <div class="row">
        <strong>${t("history.version", { n: one.version })}</strong>
        <span class="grow">${fullTime(one.saved_at)} · ${memberName(one.saved_by)}${one.reverts ? ` · ${t("history.brought_back", { n: one.reverts })}` : ""}</span>
        <button type="button" class="link" aria-expanded=${opened === one.version} onClick=${() => setOpened(opened === one.version ? null : one.version)}>
          ${t("history.changes")}<span class="visually-hidden"> ${one.version}</span></button>
        ${one.version !== saved.version && html`<button type="button" onClick=${() => setReturning(one.version)}>${t("history.revert")}<span class="visually-hidden"> ${one.version}</span></button>`}
      </div>
      ${opened === one.version && html`<${Changes} version=${one.version} />`}
    </li>`)}</ol>
    ${returning !== null && html`<${Dialog} title=${t("history.revert_title", { n: returning })} wide=${true} onClose=${() => setReturning(null)}>
      <p>${t("history.revert_about")}</p>
      <${Changes} version=${returning} against=${saved.version} />
      <div class="row end"><button type="button" onClick=${() => setReturning(null)}>${t("cancel")}</button>
        <button type="button" class="primary" onClick=${() => { bringBack(returning); setReturning(null); }}>${t("history.revert")}</button></div>
    </${Dialog}>`}
  </section>`;
}
