// `/inbox`: the front desk's three panes.

import { html, render, useEffect, useState } from "./preact.js";
import { alarms, wantDesktop, wantSound } from "./alarm.js";
import { open, openInbox, start } from "./desk.js";
import { desk, inboxName } from "./desk-state.js";
import { DutyNotices } from "./duty.js";
import { Filters } from "./filters.js";
import { listenToKeys, ShortcutHelp } from "./keys.js";
import { List } from "./list.js";
import { data, many, t } from "./page.js";
import { Checkbox, Dialog, Notice } from "./parts.js";
import { useStore } from "./store.js";
import { Thread } from "./thread.js";
import { drawTop } from "./top.js";

function Connection() {
  const { connection } = useStore(desk);
  return html`<span class="connection ${connection}" role="status"><i aria-hidden="true"></i>${t(`connection.${connection}`)}</span>`;
}

function Bell() {
  const [isOpen, setOpen] = useState(false);
  const { desktop, sound } = useStore(alarms);
  const [isRefused, setRefused] = useState(false);
  return html`<button type="button" class="quiet" onClick=${() => setOpen(true)}>${t("alarm.button")}</button>
    ${isOpen && html`<${Dialog} title=${t("alarm.heading")} onClose=${() => setOpen(false)}>
      <p class="soft">${t("alarm.about")}</p>
      <${Checkbox} label=${t("alarm.desktop")} checked=${desktop} onChange=${async (on) => setRefused(!(await wantDesktop(on)))} />
      ${isRefused && html`<p class="notice warn">${t("alarm.refused")}</p>`}
      <${Checkbox} label=${t("alarm.sound")} checked=${sound} onChange=${wantSound} />
    </${Dialog}>`}`;
}

function Inboxes({ onFilters }) {
  const { inboxes, inbox, search } = useStore(desk);
  const rows = [...inboxes, { inbox: "closed" }];
  return html`<nav class="inboxes" aria-label=${t("inboxes")}>
    <p class="inbox-heads" aria-hidden="true"><span>${t("unread_short")}</span><span>${t("open_short")}</span></p>
    <ul>
      ${rows.map((one) => html`<li key=${one.inbox}>
        <button type="button" class="inbox-row" aria-current=${!search && one.inbox === inbox ? "true" : null}
          onClick=${() => openInbox(one.inbox)}>
          <span class="grow">${one.label ?? inboxName(one.inbox)}</span>
          ${one.unread > 0 && html`<span class="count unread" title=${many("unread", one.unread)}>
            ${one.unread}<span class="visually-hidden"> ${t("unread_short")}</span></span>`}
          ${one.open !== undefined && html`<span class="count" title=${many("open", one.open)}>
            ${one.open}<span class="visually-hidden"> ${t("open_short")}</span></span>`}
        </button>
      </li>`)}
    </ul>
    <button type="button" class="wide-button" onClick=${onFilters}>${t("filters.button")}</button>
  </nav>`;
}

function Desk() {
  const state = useStore(desk);
  const [isFiltering, setFiltering] = useState(false);
  const [isHelping, setHelping] = useState(false);
  useEffect(() => listenToKeys({ help: () => setHelping(true) }), []);
  useEffect(() => {
    const unread = state.inboxes.find((one) => one.inbox === "mine")?.unread ?? 0;
    document.title = `${unread ? `(${unread}) ` : ""}${t("page.inbox")} · Switchboard`;
  }, [state.inboxes]);
  return html`<div class="desk ${state.selected ? "has-thread" : ""}">
    <h1 class="visually-hidden">${t("page.inbox")}</h1>
    <div class="notices">
      <${DutyNotices} practice=${state.practice} onOpen=${open} />
      ${state.error && html`<${Notice} kind="bad">${state.error}</${Notice}>`}
    </div>
    <${Inboxes} onFilters=${() => setFiltering(true)} />
    <${List} />
    <${Thread} />
    ${isFiltering && html`<${Filters} onClose=${() => setFiltering(false)} />`}
    ${isHelping && html`<${ShortcutHelp} onClose=${() => setHelping(false)} />`}
  </div>`;
}

const useName = () => {
  const { practice } = useStore(desk);
  return practice?.members.find((one) => one.staff_id === data.staff_id)?.name;
};

drawTop(() => html`<${Connection} /><${Bell} />`, useName);
const main = document.getElementById("main");
main.textContent = "";
render(html`<${Desk} />`, main);
start();
