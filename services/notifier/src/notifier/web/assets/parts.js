// Small parts that all pages are made of.

import { html, useEffect, useRef, useState } from "./preact.js";
import { t } from "./page.js";
import { createStore, useStore } from "./store.js";

/** A modal dialog: the browser keeps the focus inside and brings it back. Escape and the cross close it. */
export function Dialog({ title, onClose, children, wide = false }) {
  const element = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    element.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`<dialog ref=${element} class=${wide ? "wide" : ""} aria-label=${title}
    onCancel=${(event) => { event.preventDefault(); onClose(); }}>
    <header class="row">
      <h2>${title}</h2>
      <button type="button" class="quiet icon" aria-label=${t("close_dialog")} onClick=${onClose}>×</button>
    </header>
    ${children}
  </dialog>`;
}

/** A small menu. It closes by Escape, by a choice, and when one goes elsewhere. */
export function Menu({ label, children }) {
  const element = useRef(null);
  const close = () => { element.current.open = false; };
  const onKeyDown = (event) => {
    if (event.key !== "Escape" || !element.current.open) return;
    event.stopPropagation();
    close();
    element.current.querySelector("summary").focus();
  };
  const onFocusOut = (event) => event.relatedTarget && !element.current.contains(event.relatedTarget) && close();
  useEffect(() => {
    const listener = (event) => element.current.contains(event.target) || close();
    document.addEventListener("pointerdown", listener);
    return () => document.removeEventListener("pointerdown", listener);
  }, []);
  return html`<details class="menu" ref=${element} onKeyDown=${onKeyDown} onFocusOut=${onFocusOut}>
    <summary>${label}</summary>
    <div class="menu-body" onClick=${(event) => event.target.closest("button, a") && close()}>${children}</div>
  </details>`;
}

const toasts = createStore({ shown: [] });
let toastNumber = 0;

/** Say something that needs no answer; with `action`, something that can be undone meanwhile. */
export function say(words, { action = null, onAction = null, seconds = 6, kind = "" } = {}) {
  const id = ++toastNumber;
  const dismiss = () => toasts.set((state) => ({ shown: state.shown.filter((one) => one.id !== id) }));
  toasts.set((state) => ({ shown: [...state.shown.slice(-2), { id, words, action, onAction, kind, dismiss }] }));
  if (seconds) setTimeout(dismiss, seconds * 1000);
}

/** What was said before is out of date: there is nothing left to undo. */
export const hush = () => toasts.set({ shown: [] });

export function Toasts() {
  const { shown } = useStore(toasts);
  return html`<div class="toasts" role="status">
    ${shown.map((one) => html`<div class="toast ${one.kind}" key=${one.id}>
      <span>${one.words}</span>
      ${one.action && html`<button type="button" onClick=${() => { one.dismiss(); one.onAction(); }}>${one.action}</button>`}
      <button type="button" class="quiet icon" aria-label=${t("dismiss")} onClick=${one.dismiss}>×</button>
    </div>`)}
  </div>`;
}

/** What a failed request says to a person. */
export function wordsOf(error) {
  if (error.status === 0) return t("no_answer");
  const errors = (error.problem?.errors ?? []).map((one) => `${one.pointer.replace(/^#\/?/, "")}: ${one.detail}`);
  return [error.message, ...errors].join(" · ");
}

/** A list of notices that stay until they are read. */
export const Notice = ({ kind = "", children, onDismiss = null }) => html`<div class="notice ${kind}" role=${kind === "bad" ? "alert" : "status"}>
  <span>${children}</span>
  ${onDismiss && html`<button type="button" class="quiet icon" aria-label=${t("dismiss")} onClick=${onDismiss}>×</button>`}
</div>`;

/** What an asynchronous question answers: { value, error, isLoading, again }. Asked anew when `key` changes. */
export function useAnswer(ask, key) {
  const [answer, setAnswer] = useState({ value: null, error: null, isLoading: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let isCurrent = true;
    setAnswer((before) => ({ ...before, isLoading: true }));
    ask().then(
      (value) => isCurrent && setAnswer({ value, error: null, isLoading: false }),
      (error) => isCurrent && setAnswer((before) => ({ ...before, error, isLoading: false })),
    );
    return () => { isCurrent = false; };
  }, [key, turn]);
  return { ...answer, again: () => setTurn((n) => n + 1) };
}

/** The part of a page that its address names after the `#`, or the first one. */
export function useTab(tabs, first) {
  const read = () => (location.hash.slice(1) in tabs ? location.hash.slice(1) : first);
  const [tab, setTab] = useState(read());
  useEffect(() => {
    const listener = () => setTab(read());
    listener(); // the address may have changed since the page was drawn
    addEventListener("hashchange", listener);
    return () => removeEventListener("hashchange", listener);
  }, []);
  useEffect(() => {
    // On a phone not all are in sight.
    document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [tab]);
  return tab;
}

export const Checkbox = ({ label, checked, onChange, disabled = false }) => html`<label class="check">
  <input type="checkbox" checked=${checked} disabled=${disabled} onChange=${(event) => onChange(event.target.checked)} />
  <span>${label}</span>
</label>`;
