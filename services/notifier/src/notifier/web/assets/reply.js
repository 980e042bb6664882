// Answering: what is typed is kept until it is sent, whatever happens to the page or the connection.

import { html, useEffect, useRef, useState } from "./preact.js";
import { ChooseTemplate } from "./choose-template.js";
import { act } from "./desk.js";
import { desk } from "./desk-state.js";
import { newKey } from "./client.js";
import { t } from "./page.js";
import { keep, kept, useStore } from "./store.js";

const MOST = 5_000;
const draftOf = (id) => `draft ${id}`;

export function Reply({ thread }) {
  const id = thread.conversation_id;
  const { templates } = useStore(desk);
  const [draft, setDraft] = useState(kept(sessionStorage, draftOf(id), { body: "", key: newKey() }));
  const [isSending, setSending] = useState(false);
  const [isChoosing, setChoosing] = useState(false);
  const box = useRef(null);
  const caret = useRef(null); // where to write on, once what was put in is drawn
  const write = (body) => {
    const changed = { body, key: draft.body === body ? draft.key : newKey() };
    setDraft(changed);
    keep(sessionStorage, draftOf(id), body ? changed : null);
  };
  useEffect(() => {
    box.current.style.height = "auto";
    box.current.style.height = `${Math.min(220, box.current.scrollHeight + 2)}px`;
    if (caret.current === null) return;
    box.current.focus();
    box.current.setSelectionRange(caret.current, caret.current);
    caret.current = null;
  }, [draft.body]);
  const send = async (event) => {
    event.preventDefault();
    if (!draft.body.trim() || isSending) return;
    const from = document.activeElement;
    setSending(true);
    // The same draft has the same key: a send that is repeated after a lost connection is one reply.
    const isDone = await act(id, "reply", { body: draft.body }, draft.key);
    setSending(false);
    if (isDone) {
      // What was typed on while this was sent is the next draft.
      const typed = kept(sessionStorage, draftOf(id), draft).body;
      const rest = typed.startsWith(draft.body) ? typed.slice(draft.body.length).trimStart() : typed;
      const next = { body: rest, key: newKey() };
      keep(sessionStorage, draftOf(id), rest ? next : null);
      setDraft(next);
      if (from !== box.current) box.current?.focus(); // the button that was pressed is gone
    }
  };
  const onKeyDown = (event) => (event.ctrlKey || event.metaKey) && event.key === "Enter" && send(event);
  const insert = (words) => {
    setChoosing(false);
    const { selectionStart: start, selectionEnd: end } = box.current;
    const before = draft.body.slice(0, start);
    const put = before && !/\s$/.test(before) ? ` ${words}` : words;
    write((before + put + draft.body.slice(end)).slice(0, MOST));
    caret.current = start + put.length;
  };
  const channel = [...(thread.messages ?? [])].reverse().find((one) => one.sender === "patient")?.channel;
  return html`<form class="reply" onSubmit=${send}>
    <label class="visually-hidden" for="reply">${t("reply.label")}</label>
    <textarea id="reply" ref=${box} rows="2" maxlength=${MOST} placeholder=${t("reply.hint")} value=${draft.body}
      onInput=${(event) => write(event.target.value)} onKeyDown=${onKeyDown}></textarea>
    <div class="row">
      ${templates.length > 0 && html`<button type="button" data-command="templates" onClick=${() => setChoosing(true)}>${t("reply.template")}</button>`}
      <span class="grow soft">${channel ? t(`reply.by.${channel}`) : ""} ${draft.body ? t("reply.kept") : ""}</span>
      <button type="submit" class="primary" disabled=${isSending || !draft.body.trim()}>${isSending ? t("reply.sending") : t("reply.send")}</button>
    </div>
    ${isChoosing && html`<${ChooseTemplate} templates=${templates} onChoose=${insert} onClose=${() => setChoosing(false)} />`}
  </form>`;
}
