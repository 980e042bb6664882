// The middle pane: conversations, the newest first; what came since stands behind a button.

import { html, useEffect, useRef, useState } from "./preact.js";
import { open, readList, readMore, searchFor } from "./desk.js";
import { arrivedWords, desk, inboxName, patientName } from "./desk-state.js";
import { EscalatedFlag } from "./duty.js";
import { shortTime, fullTime, labelOf, t } from "./page.js";
import { useStore } from "./store.js";

/** A reason in the words of the page's language, as the practice has translated it. */
export function Reason({ of }) {
  const { practice } = desk.get(); // whatever shows reasons looks at the desk already
  const translated = of?.id === "other" ? t("reason.other") : labelOf(practice?.reasons.find((one) => one.id === of?.id)?.label);
  const words = of?.id ? translated || of.label : null;
  return html`<span class="label reason ${words ? "" : "none"}">${words ?? t("reason.none")}</span>`;
}

function Labels({ of }) {
  const { reason, location, provider } = of;
  return html`<span class="labels">
    ${reason && html`<${Reason} of=${reason} />`}
    ${location && html`<span class="label place ${location.label ? "" : "none"}">${location.label ?? t("location.unknown")}</span>`}
    ${[location, provider].map((place) => html`<${PlaceFlags} place=${place} />`)}
  </span>`;
}

/** Stale: the practice-management system's data was old. Retired: it has no such place any more. Outdated: the appointment changed. */
export function PlaceFlags({ place }) {
  if (!place) return null;
  return html`
    ${place.stale && html`<span class="flag" title=${t("flag.stale_long")}>${t("flag.stale")}</span>`}
    ${place.retired && html`<span class="flag" title=${t("flag.retired_long")}>${t("flag.retired")}</span>`}
    ${place.outdated && html`<span class="flag" title=${t("flag.outdated_long")}>${t("flag.outdated")}</span>`}`;
}

function Row({ one, isSelected }) {
  const last = one.found ?? one.last_message;
  const isUnread = one.unread && !one.left;
  return html`<li class="row-item ${isUnread ? "is-unread" : ""} ${one.urgent && isUnread ? "is-urgent" : ""} ${one.left ? "has-left" : ""}" data-id=${one.conversation_id}>
    <button type="button" class="conversation" aria-current=${isSelected ? "true" : null} onClick=${() => open(one.conversation_id)}>
      <span class="line">
        <span class="dot" aria-hidden="true"></span>
        <strong class="grow cut">${patientName(one)}</strong>
        <time datetime=${one.updated_at} title=${fullTime(one.updated_at)}>${shortTime(one.updated_at)}</time>
      </span>
      <span class="excerpt">
        ${last && html`<span class="channel">${t(`channel.${last.channel}`)}</span>`}
        ${last?.sender === "staff" ? t("we_said") : ""} ${last?.body || (last?.channel === "voicemail" ? t("voicemail") : "")}
      </span>
      <span class="line">
        ${one.urgent && isUnread && html`<span class="flag urgent">${t("urgent")}</span>`}
        <${EscalatedFlag} id=${one.conversation_id} />
        <${Labels} of=${one} />
        ${isUnread && html`<span class="visually-hidden">${t("unread_short")}</span>`}
        ${one.left && html`<span class="left">${one.left}</span>`}
      </span>
    </button>
  </li>`;
}

function SearchBox() {
  const isSearching = Boolean(useStore(desk).search);
  const [typed, setTyped] = useState(""); // what happens meanwhile must not take back what is not searched for yet
  const timer = useRef(null);
  useEffect(() => { if (!isSearching) setTyped(""); }, [isSearching]);
  const onInput = (event) => {
    const words = event.target.value;
    setTyped(words);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => searchFor(words), 150);
  };
  return html`<form role="search" class="search" onSubmit=${(event) => { event.preventDefault(); searchFor(typed); }}>
    <label class="visually-hidden" for="search">${t("search")}</label>
    <input id="search" type="search" autocomplete="off" placeholder=${t("search.hint")} value=${typed} onInput=${onInput} />
  </form>`;
}

export function List() {
  const { inbox, items, cursor, arrived, search, selected, isLoading } = useStore(desk);
  const end = useRef(null);
  const pane = useRef(null);
  useEffect(() => {
    const watcher = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && readMore(), { root: pane.current, rootMargin: "600px" });
    if (end.current) watcher.observe(end.current);
    return () => watcher.disconnect();
  }, [cursor, inbox, search?.cursor, Boolean(search)]);
  const show = () => readList().then(() => pane.current?.scrollTo({ top: 0 }));
  const shown = search ? search.items : items;
  const isBusy = search ? search.isLoading : isLoading;
  return html`<section class="list" aria-label=${t("list.region")}>
    <div class="list-head">
      <${SearchBox} />
      <div class="row">
        <h2 class="grow cut">${search ? t("search.results") : inboxName(inbox) || t("page.inbox")}</h2>
        ${!search && html`<button type="button" class="arrived ${arrived.length ? "has-some" : ""}" onClick=${show} aria-live="polite">
          ${arrived.length ? arrivedWords(arrived.length) : t("refresh")}
        </button>`}
        ${search && html`<button type="button" onClick=${() => searchFor("")}>${t("search.leave")}</button>`}
      </div>
    </div>
    <div class="list-body" ref=${pane} tabindex="-1" aria-busy=${String(Boolean(isBusy))}>
      ${shown.length > 0 && html`<ul>${shown.map((one) => html`<${Row} key=${one.conversation_id} one=${one} isSelected=${one.conversation_id === selected} />`)}</ul>`}
      ${shown.length === 0 && !isBusy && html`<p class="empty">${t(search ? "search.nothing" : "list.empty")}</p>`}
      ${search?.error && html`<p class="notice bad" role="alert">${search.error}</p>`}
      <div ref=${end} class="list-end">${isBusy ? t("loading") : ""}</div>
    </div>
  </section>`;
}
