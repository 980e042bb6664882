// Why a message went where it went (rule X1): the router's own words, and on request why somebody was not told.

import { html } from "./preact.js";
import { api, practicePath } from "./client.js";
import { data, fullTime, t } from "./page.js";
import { useAnswer, wordsOf } from "./parts.js";

export function Explanation({ messageId }) {
  const { value, error } = useAnswer(() => api("GET", practicePath(`decisions/${encodeURIComponent(messageId)}?language=${data.language}`)), messageId);
  if (error) return html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`;
  if (!value) return html`<p class="empty">${t("loading")}</p>`;
  return html`<${Decision} result=${value.result} words=${value.explanation} />`;
}

export function Decision({ result, words }) {
  return html`<div class="decision">
    <ol class="steps">${words.map((one, index) => html`<li key=${index}>${typeof one === "string" ? one : one.text ?? one.words}</li>`)}</ol>
    <p class="soft">
      ${t("explain.rules")} ${result.rules.map((one) => html`<code key=${one}>${one}</code> `)}
      · ${t("explain.version", { n: result.settings_version })} · ${fullTime(result.received_at)}
    </p>
  </div>`;
}
