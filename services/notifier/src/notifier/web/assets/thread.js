// The right pane: who writes, what was said, and what to do about it.

import { html, useLayoutEffect, useRef, useState } from "./preact.js";
import { Commands } from "./commands.js";
import { shut } from "./desk.js";
import { desk, nameOf, patientName, whereNow } from "./desk-state.js";
import { Explanation } from "./explanation.js";
import { PlaceFlags, Reason } from "./list.js";
import { data, dayOf, fullTime, many, since, t, timeOf } from "./page.js";
import { Dialog, Notice } from "./parts.js";
import { Reply } from "./reply.js";
import { useStore } from "./store.js";

const isAdministrator = data.role === "administrator";

function Attachments({ of }) {
  if (!of?.length) return null;
  return html`<ul class="attachments">${of.map((one) => html`<li key=${one.id}>
    ${one.state !== undefined && one.state !== "ready"
      ? html`<span>${t(`attachment.${one.state}`)}</span>`
      : one.content_type.startsWith("audio/")
      ? html`<audio controls preload="metadata" src=${one.url} aria-label=${t("voicemail.player")}></audio>`
      : html`<a href=${one.url} target="_blank" rel="noopener">${t("attachment")} (${one.content_type}, ${Math.ceil((one.size ?? 0) / 1024)} kB)</a>`}
  </li>`)}</ul>`;
}

function Message({ one, onExplain }) {
  const isOurs = one.sender === "staff";
  const isVoice = one.channel === "voicemail";
  return html`<li class="message ${isOurs ? "ours" : "theirs"} ${one.isNew ? "is-new" : ""}">
    <div class="meta">
      <strong>${!isOurs ? t("patient") : one.staff_id ? nameOf(one.staff_id) : t("automatic")}</strong>
      <span>${t(`channel.${one.channel}`)}</span>
      <time datetime=${one.sent_at} title=${fullTime(one.sent_at)}>${timeOf(one.sent_at)}</time>
      ${one.urgent && html`<strong class="label urgent">${t("urgent")}</strong>`}
      ${!isOurs && html`<${Reason} of=${one.reason} />`}
      ${!isOurs && isAdministrator && html`<button type="button" class="link" onClick=${() => onExplain(one.message_id)}>${t("explain.why")}</button>`}
    </div>
    ${one.body && html`<p class="body">${one.body}</p>`}
    <${Attachments} of=${one.attachments} />
    ${one.delivery && html`<p class="delivery">${t(`delivery.${one.delivery.status}`)} ${one.delivery.detail ?? ""}</p>`}
    ${isVoice && html`<p class="transcript">
      <strong>${t("voicemail.transcript")}</strong> ${one.transcript ?? t("voicemail.no_transcript")}
    </p>`}
  </li>`;
}

function Log({ thread, onExplain }) {
  const box = useRef(null);
  const isAtEnd = useRef(true);
  const [below, setBelow] = useState(0);
  const messages = thread.messages ?? [];
  useLayoutEffect(() => {
    isAtEnd.current = true;
    setBelow(0);
  }, [thread.conversation_id]);
  useLayoutEffect(() => {
    const element = box.current;
    if (isAtEnd.current) element.scrollTop = element.scrollHeight;
    else if (messages.at(-1)?.isNew) setBelow((n) => n + 1);
  }, [messages.length, thread.conversation_id]);
  const onScroll = () => {
    const element = box.current;
    isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
    if (isAtEnd.current) setBelow(0);
  };
  let lastDay = null;
  return html`<div class="log-box">
    <div class="log" ref=${box} onScroll=${onScroll} role="log" aria-label=${t("thread.log")} tabindex="0">
      ${thread.messages === null && html`<p class="empty">${t("loading")}</p>`}
      <ol>${messages.map((one) => {
        const day = dayOf(one.sent_at);
        const isFirst = day !== lastDay;
        lastDay = day;
        return html`${isFirst && html`<li class="day" key=${day}><span>${day}</span></li>`}
          <${Message} key=${one.message_id} one=${one} onExplain=${onExplain} />`;
      })}</ol>
    </div>
    ${below > 0 && html`<button type="button" class="below" onClick=${() => box.current.scrollTo({ top: box.current.scrollHeight })}>${many("thread.below", below)}</button>`}
  </div>`;
}

/** Rule V1: a custom shared inbox has no labels, so there are none to show. */
function Profile({ thread }) {
  const place = (of, unknown) => html`<span class="label place ${of.label ? "" : "none"}">${of.label ?? unknown}</span><${PlaceFlags} place=${of} />
    ${of.as_of && html` <span class="soft">${t("as_of", { when: since(of.as_of) })}</span>`}`;
  return html`<dl class="profile">
    ${thread.reason && html`<div><dt>${t("reason")}</dt><dd><${Reason} of=${thread.reason} /></dd></div>`}
    ${thread.location && html`<div><dt>${t("location")}</dt><dd>${place(thread.location, t("location.unknown"))}</dd></div>`}
    ${thread.provider?.label && html`<div><dt>${t("provider")}</dt><dd>${place(thread.provider)}</dd></div>`}
    <div><dt>${t("where")}</dt><dd>${whereNow(thread)}</dd></div>
    ${thread.audience?.length > 0 && html`<div><dt>${t("told")}</dt><dd>${thread.audience.map(nameOf).join(", ")}</dd></div>`}
  </dl>`;
}

export function Thread() {
  const { selected, thread, conflict } = useStore(desk);
  const [explained, setExplained] = useState(null);
  if (!selected) {
    return html`<section class="thread is-empty nothing-open" aria-label=${t("thread.region")}><p class="empty">${t("thread.none")}</p></section>`;
  }
  const back = html`<button type="button" class="quiet icon back" aria-label=${t("thread.back")} title=${t("thread.back")} onClick=${shut}>←</button>`;
  if (!thread) {
    return html`<section class="thread is-empty" aria-label=${t("thread.region")}>${back}
      ${conflict ? html`<${Notice} kind="bad">${conflict}</${Notice}>` : html`<p class="empty">${t("loading")}</p>`}</section>`;
  }
  return html`<section class="thread" aria-label=${t("thread.region")}>
    <header class="thread-head">
      <div class="line who">
        ${back}
        <h2 class="grow cut">${patientName(thread)}</h2>
        <${Commands} key=${selected} thread=${thread} />
      </div>
      <${Profile} thread=${thread} />
    </header>
    ${conflict && html`<${Notice} kind="bad" onDismiss=${() => desk.set({ conflict: null })}>${conflict}</${Notice}>`}
    <${Log} thread=${thread} onExplain=${setExplained} />
    <${Reply} key=${selected} thread=${thread} />
    ${explained && html`<${Dialog} title=${t("explain.title")} wide=${true} onClose=${() => setExplained(null)}>
      <${Explanation} messageId=${explained} />
    </${Dialog}>`}
  </section>`;
}
