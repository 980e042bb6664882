// `/operations`: is everything on its way? What waits, what was refused, how fresh is what we know, and why.

import { html, render, useEffect, useRef, useState } from "./preact.js";
import { api, practicePath } from "./client.js";
import { Connections } from "./connections.js";
import { Explanation } from "./explanation.js";
import { data, fullTime, many, since, t } from "./page.js";
import { say, useAnswer, wordsOf } from "./parts.js";
import { PracticeChoice } from "./practice-choice.js";
import { drawTop } from "./top.js";

const EVERY = 5_000;
const SECOND_LOOK = 1_500; // a rate needs two
const WAY = ["patient-messages", "routed-messages", "staff-notifications"];
const CONSUMER_OF = { "patient-messages": "router", "routed-messages": "notifier", "staff-notifications": null };
const LATE_SECONDS = 10;

/** An answer that is asked for again every few seconds while the page is looked at. */
function useLive(ask) {
  const [state, setState] = useState({ value: null, before: null, error: null });
  useEffect(() => {
    let isCurrent = true;
    const look = async () => {
      if (document.hidden) return;
      try {
        const value = await ask();
        if (isCurrent) setState((one) => ({ value, before: one.value, error: null }));
      } catch (error) {
        if (isCurrent) setState((one) => ({ ...one, error }));
      }
    };
    look();
    const soon = setTimeout(look, SECOND_LOOK);
    const timer = setInterval(look, EVERY);
    return () => { isCurrent = false; clearTimeout(soon); clearInterval(timer); };
  }, []);
  return state;
}

const Problem = ({ error }) => html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`;

function rateOf(topic, { value, before }) {
  if (!before) return null;
  const written = (flow) => flow.topics.find((one) => one.topic === topic)?.written ?? 0;
  const seconds = (new Date(value.at) - new Date(before.at)) / 1000;
  return seconds > 0 ? Math.max(0, written(value) - written(before)) / seconds : null;
}

function Stage({ topic, live }) {
  const { value } = live;
  const own = value.consumers.filter((one) => one.topic === topic && one.group.startsWith(CONSUMER_OF[topic] ?? "-"));
  const waiting = own.reduce((sum, one) => sum + one.records, 0);
  const oldest = own.map((one) => one.oldest_at).filter(Boolean).sort()[0];
  const age = oldest ? (new Date(value.at) - new Date(oldest)) / 1000 : 0;
  const rate = rateOf(topic, live);
  return html`<li class="stage ${age > LATE_SECONDS ? "is-late" : ""}">
    <h3>${t(`flow.${topic}`)}</h3>
    <dl>
      <div><dt>${t("flow.rate")}</dt><dd>${rate === null ? "–" : t("per_second", { n: rate.toFixed(1) })}</dd></div>
      ${CONSUMER_OF[topic] && html`<div><dt>${t("flow.waiting")}</dt><dd>${waiting}</dd></div>
        <div><dt>${t("flow.oldest")}</dt><dd>${oldest ? since(oldest) : t("none_waits")}</dd></div>`}
      ${!CONSUMER_OF[topic] && html`<div><dt>${t("flow.streams")}</dt><dd>${value.streams.open}</dd></div>`}
    </dl>
  </li>`;
}

function Flow() {
  const live = useLive(() => api("GET", "/v1/operations"));
  const { value, error } = live;
  return html`<section class="card">
    <h2>${t("flow.title")}</h2>
    ${error && html`<${Problem} error=${error} />`}
    ${!value && !error && html`<p class="empty">${t("loading")}</p>`}
    ${value && html`<ol class="flow">${WAY.map((topic) => html`<${Stage} key=${topic} topic=${topic} live=${live} />`)}</ol>
      <details><summary>${t("flow.all")}</summary>
        <div class="scroll" tabindex="0" role="region" aria-label=${t("flow.all")}><table>
          <thead><tr><th>${t("flow.consumer")}</th><th>${t("flow.topic")}</th><th class="number">${t("flow.waiting")}</th><th>${t("flow.oldest")}</th></tr></thead>
          <tbody>${value.consumers.map((one) => html`<tr key=${one.group + one.topic}><td>${one.group}</td><td>${one.topic}</td>
            <td class="number">${one.records}</td><td>${one.oldest_at ? since(one.oldest_at) : t("none_waits")}</td></tr>`)}</tbody>
        </table></div>
        <p class="soft">${t("flow.stream_facts", {
          resets: Object.entries(value.streams.resets).map(([name, n]) => `${name} ${n}`).join(", ") || "0",
          cut: Object.entries(value.streams.cut).map(([name, n]) => `${name} ${n}`).join(", ") || "0",
        })}</p>
      </details>`}
  </section>`;
}

function DeadLetters() {
  const { value, error, again } = useAnswer(() => api("GET", "/v1/operations/dead-letters"), "");
  const replay = async (positions) => {
    try {
      const { replayed } = await api("POST", "/v1/operations/dead-letters/replay", { body: { positions } });
      say(many("letters.replayed", replayed));
      again();
    } catch (failure) {
      say(wordsOf(failure), { kind: "bad" });
    }
  };
  return html`<section class="card">
    <div class="line"><h2 class="grow">${t("letters.title")}</h2><button type="button" onClick=${again}>${t("refresh")}</button></div>
    <p class="soft">${t("letters.about")}</p>
    ${error && html`<${Problem} error=${error} />`}
    ${value?.length === 0 && html`<p class="notice good">${t("letters.none")}</p>`}
    ${value?.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label=${t("letters.title")}><table>
      <thead><tr><th>${t("letters.at")}</th><th>${t("flow.topic")}</th><th>${t("letters.reason")}</th><td></td></tr></thead>
      <tbody>${value.map((one) => html`<tr key=${one.position}>
        <td>${fullTime(one.at)}</td><td>${one.topic}</td><td>${one.error}: ${one.reason}</td>
        <td><button type="button" onClick=${() => replay([one.position])}>${t("letters.replay")}<span class="visually-hidden"> ${one.position}</span></button></td>
      </tr>`)}</tbody>
    </table></div>`}
  </section>`;
}

function Unrouted({ onExplain }) {
  const { value, error, again } = useAnswer(() => api("GET", practicePath("unrouted?limit=50")), "");
  return html`<section class="card">
    <div class="line"><h2 class="grow">${t("unrouted.title")}</h2><button type="button" onClick=${again}>${t("refresh")}</button></div>
    <p class="soft">${t("unrouted.about")}</p>
    ${error && html`<${Problem} error=${error} />`}
    ${value?.length === 0 && html`<p class="notice good">${t("unrouted.none")}</p>`}
    ${value?.length > 0 && html`<ul class="rows">${value.map((one) => html`<li class="row" key=${one.message_id}>
      <span class="grow">${fullTime(one.received_at)} · <code>${one.message_id}</code></span>
      <button type="button" class="link" onClick=${() => onExplain(one.message_id)}>${t("explain.why_nobody")}</button></li>`)}</ul>`}
  </section>`;
}

function Explain({ messageId, onAsk }) {
  const input = useRef(null);
  useEffect(() => { if (messageId) input.current.scrollIntoView({ block: "center" }); }, [messageId]);
  const ask = (event) => { event.preventDefault(); onAsk(input.current.value.trim()); };
  return html`<section class="card">
    <h2>${t("explain.heading")}</h2>
    <form class="row asking" onSubmit=${ask}>
      <label class="field"><span>${t("explain.message_id")}</span><input ref=${input} size="40" required pattern="[A-Za-z0-9_-]{1,64}" value=${messageId ?? ""} /></label>
      <button type="submit" class="primary">${t("explain.ask")}</button>
    </form>
    <div aria-live="polite">${messageId && html`<${Explanation} messageId=${messageId} />`}</div>
  </section>`;
}

function Page() {
  const [messageId, setMessageId] = useState(null);
  return html`<div class="sheet">
    <h1>${t("page.operations")}</h1>
    <${Flow} />
    ${data.practice_id && html`<${Unrouted} onExplain=${setMessageId} />`}
    <${DeadLetters} />
    ${data.practice_id ? html`<${Connections} /><${Explain} messageId=${messageId} onAsk=${setMessageId} />` : html`<${PracticeChoice} />`}
  </div>`;
}

drawTop(null, () => useAnswer(async () => (data.role === "administrator" ? api("GET", "/v1/practice").catch(() => null) : null), "").value
  ?.members.find((one) => one.staff_id === data.staff_id)?.name);
const main = document.getElementById("main");
main.textContent = "";
render(html`<${Page} />`, main);
