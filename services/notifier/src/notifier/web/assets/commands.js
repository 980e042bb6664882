// What staff do to a conversation: take it, hand it on, close it, say what it is about and whose it is.

import { html, useState } from "./preact.js";
import { act, markRead } from "./desk.js";
import { desk, inboxName } from "./desk-state.js";
import { isContact, Linking } from "./linking.js";
import { data, labelOf, t } from "./page.js";
import { Dialog, Menu } from "./parts.js";
import { useStore } from "./store.js";

function Assign({ thread, onClose }) {
  const { practice } = useStore(desk);
  const people = practice?.members.filter((one) => one.active) ?? [];
  const shared = practice?.shared_inboxes ?? [];
  const choose = async (action, body) => {
    onClose();
    await act(thread.conversation_id, action, body);
  };
  const to = (id) => choose("assign", { to: id, expected_version: thread.version });
  const move = (place) => choose("move", { to: place });
  const { kind, id } = thread.destination;
  const onDuty = practice?.duty?.on_duty;
  const has = (staffId) => kind === "member" && id === staffId;
  const first = people.find((one) => !has(one.staff_id))?.staff_id;
  return html`<${Dialog} title=${t("assign.title")} onClose=${onClose}>
    <h3>${t("assign.people")}</h3>
    <ul class="choices">${people.map((one) => html`<li key=${one.staff_id}>
      <button type="button" autofocus=${one.staff_id === first} disabled=${has(one.staff_id)} onClick=${() => to(one.staff_id)}>
        <span class="grow">${one.name}${one.staff_id === data.staff_id ? ` (${t("you")})` : ""}</span>
        ${has(one.staff_id) ? html`<span class="soft">${t("assign.has_it")}</span>` : onDuty && !onDuty.includes(one.staff_id) && html`<span class="soft">${t("duty.off")}</span>`}</button>
    </li>`)}</ul>
    <h3>${t("assign.inboxes")}</h3>
    <ul class="choices">
      <li><button type="button" disabled=${kind === "unassigned"} onClick=${() => move("unassigned")}>${inboxName("unassigned")}</button></li>
      ${shared.map((one) => html`<li key=${one.id}>
        <button type="button" disabled=${kind === "shared_inbox" && id === one.id} onClick=${() => move(`shared_inbox:${one.id}`)}>${one.label}</button>
      </li>`)}
    </ul>
  </${Dialog}>`;
}

/** Rule V4: an administrator corrects a label by hand; the history says who did. */
function CorrectLabels({ thread, onClose }) {
  const { practice } = useStore(desk);
  const save = async (event) => {
    event.preventDefault();
    const chosen = Object.fromEntries([...new FormData(event.target)].filter(([, id]) => id));
    onClose();
    if (Object.keys(chosen).length) await act(thread.conversation_id, "label", chosen);
  };
  const reasons = [...practice.reasons.filter((one) => !one.retired).map((one) => [one.id, labelOf(one.label)]), ["other", t("reason.other")]];
  const choice = (label, name, options) => html`<label class="field"><span>${label}</span><select name=${name}>
    <option value="">${t("labels.keep")}</option>
    ${options.map(([id, words]) => html`<option key=${id} value=${id}>${words}</option>`)}</select></label>`;
  return html`<${Dialog} title=${t("labels.correct")} onClose=${onClose}>
    <form class="stack" onSubmit=${save}>
      <p class="soft">${t("labels.about")}</p>
      ${choice(t("reason"), "reason_id", reasons)}
      ${choice(t("location"), "location_id", practice.locations.map((one) => [one.id, one.name]))}
      <div class="row end"><button type="button" onClick=${onClose}>${t("cancel")}</button><button type="submit" class="primary">${t("save")}</button></div>
    </form>
  </${Dialog}>`;
}

const DIALOGS = { assign: Assign, link: Linking, label: CorrectLabels };

export function Commands({ thread }) {
  const { practice } = useStore(desk);
  const [opened, setOpened] = useState(null);
  const id = thread.conversation_id;
  const isMine = thread.destination.kind === "member" && thread.destination.id === data.staff_id;
  const isOpen = thread.status === "open";
  const Opened = DIALOGS[opened];
  const more = [
    isContact(thread) && ["contact.who", () => setOpened("link")],
    practice?.label_correction && thread.reason?.id && ["topic.new", () => act(id, "new-topic")],
    practice?.label_correction && data.role === "administrator" && ["labels.correct", () => setOpened("label")],
  ].filter(Boolean);
  return html`<div class="commands">
    ${isOpen && thread.unread && html`<button type="button" onClick=${() => markRead(thread)}>${t("mark_read")}</button>`}
    ${isOpen && !isMine && html`<button type="button" onClick=${() => act(id, "take", { expected_version: thread.version })}>${t("take")}</button>`}
    ${isOpen && html`<button type="button" data-command="assign" onClick=${() => setOpened("assign")}>${t("assign")}</button>
      <button type="button" onClick=${() => act(id, "close")}>${t("close")}</button>`}
    ${!isOpen && html`<button type="button" onClick=${() => act(id, "reopen")}>${t("reopen")}</button>`}
    ${more.length > 0 && html`<${Menu} label=${t("more")}>
      ${more.map(([key, action]) => html`<button key=${key} type="button" class="link" onClick=${action}>${t(key)}</button>`)}
    </${Menu}>`}
    ${Opened && html`<${Opened} thread=${thread} onClose=${() => setOpened(null)} />`}
  </div>`;
}
