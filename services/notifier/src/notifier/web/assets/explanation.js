// Why a message went where it went (rule X1): the router's own words, and on request why somebody was not told.

import { html, useState } from "./preact.js";
import { api, practicePath } from "./client.js";
import { data, fullTime, t } from "./page.js";
import { useAnswer, wordsOf } from "./parts.js";

const decisionOf = (messageId, more = "") => api("GET", practicePath(`decisions/${encodeURIComponent(messageId)}?language=${data.language}${more}`));

export function Explanation({ messageId }) {
  const { value, error } = useAnswer(() => decisionOf(messageId), messageId);
  if (error) return html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`;
  if (!value) return html`<p class="empty">${t("loading")}</p>`;
  return html`<${Decision} result=${value.result} words=${value.explanation} />
    ${data.role === "administrator" && html`<${WhyNot} key=${messageId} messageId=${messageId} told=${value.result.audience} />`}`;
}

/** Why somebody was not told, by the settings that the decision used. */
function WhyNot({ messageId, told }) {
  const { value: practice } = useAnswer(() => api("GET", "/v1/practice"), "");
  const [answer, setAnswer] = useState(null);
  const others = practice?.members.filter((one) => !told.some((person) => person.staff_id === one.staff_id)) ?? [];
  const ask = (event) => {
    const id = event.target.value;
    setAnswer(null);
    if (id) decisionOf(messageId, `&staff_id=${encodeURIComponent(id)}`).then((found) => setAnswer(found.member.why_not), (error) => setAnswer(wordsOf(error)));
  };
  if (!others.length) return null;
  return html`<label class="field why-not"><span>${t("explain.why_not")}</span>
      <select onChange=${ask}><option value="">–</option>${others.map((one) => html`<option key=${one.staff_id} value=${one.staff_id}>${one.name}</option>`)}</select></label>
    <p aria-live="polite">${answer && answer[0].toUpperCase() + answer.slice(1)}</p>`;
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
