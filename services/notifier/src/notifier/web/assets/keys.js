// Keys for people who answer a hundred messages a day. They can be switched off (WCAG 2.1, 2.1.4), and never act while one types.

import { html } from "./preact.js";
import { act, listed, markRead, open, readList, shut } from "./desk.js";
import { desk } from "./desk-state.js";
import { t } from "./page.js";
import { Checkbox, Dialog } from "./parts.js";
import { createStore, keep, kept, useStore } from "./store.js";

export const keys = createStore({ isOn: kept(localStorage, "switchboard-keys", true) });

const HELP = [
  ["j", "k"], ["n"], ["Enter"], ["r"], ["i"], ["t"], ["a"], ["m"], ["e"], ["."], ["/"], ["Esc"], ["?"],
];

function step(by) {
  const rows = listed();
  if (!rows.length) return;
  const at = rows.findIndex((one) => one.conversation_id === desk.get().selected);
  const next = rows[at === -1 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))];
  show(next.conversation_id);
}

/** The next unread conversation below, or from the top. */
function nextUnread() {
  const rows = listed();
  const at = rows.findIndex((one) => one.conversation_id === desk.get().selected);
  const found = [...rows.slice(at + 1), ...rows.slice(0, at + 1)].find((one) => one.unread && !one.left);
  if (found) show(found.conversation_id);
}

function show(id) {
  open(id);
  const row = document.querySelector(`.row-item[data-id="${CSS.escape(id)}"] button`);
  row?.focus({ preventScroll: true });
  row?.scrollIntoView({ block: "nearest" });
}

const press = (selector) => document.querySelector(selector)?.click();

function onSelected(action) {
  const { selected, thread } = desk.get();
  if (selected && thread) action(thread);
}

export function listenToKeys({ help }) {
  const commands = {
    j: () => step(1),
    k: () => step(-1),
    n: nextUnread,
    r: () => document.getElementById("reply")?.focus(),
    t: () => onSelected((one) => one.status === "open" && act(one.conversation_id, "take", { expected_version: one.version })),
    a: () => press("[data-command=assign]"),
    e: () => onSelected((one) => one.status === "open" && act(one.conversation_id, "close")),
    m: () => onSelected((one) => one.unread && markRead(one)),
    i: () => press("[data-command=templates]"),
    ".": readList,
    "/": () => document.getElementById("search")?.focus(),
    "?": help,
  };
  const listener = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const isTyping = event.target.matches?.("input, textarea, select");
    if (event.key === "Escape") {
      if (isTyping) event.target.blur();
      else if (desk.get().selected) shut();
      return;
    }
    if (isTyping || !keys.get().isOn || !commands[event.key]) return;
    event.preventDefault();
    commands[event.key]();
  };
  addEventListener("keydown", listener);
  return () => removeEventListener("keydown", listener);
}

export function ShortcutHelp({ onClose }) {
  const { isOn } = useStore(keys);
  const choose = (on) => { keys.set({ isOn: on }); keep(localStorage, "switchboard-keys", on); };
  return html`<${Dialog} title=${t("keys.title")} onClose=${onClose}>
    <dl class="keys">${HELP.map((one) => html`<div key=${one[0]}>
      <dt>${one.map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${t(`keys.${one[0]}`)}</dd>
    </div>`)}</dl>
    <${Checkbox} label=${t("keys.on")} checked=${isOn} onChange=${choose} />
  </${Dialog}>`;
}
