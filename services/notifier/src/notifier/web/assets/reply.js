// Answering: what is typed is kept until it is sent, whatever happens to the page or the connection.

import { html, useEffect, useRef, useState } from "./preact.js";
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
  const box = useRef(null);
  const write = (body) => {
    const changed = { body, key: draft.body === body ? draft.key : newKey() };
    setDraft(changed);
    keep(sessionStorage, draftOf(id), body ? changed : null);
  };
  useEffect(() => {
    box.current.style.height = "auto";
    box.current.style.height = `${Math.min(220, box.current.scrollHeight + 2)}px`;
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
  const useTemplate = (event) => {
    const chosen = templates.find((one) => one.template_id === event.target.value);
    event.target.value = "";
    if (chosen) {
      write(draft.body ? `${draft.body.trimEnd()}\n${chosen.body}` : chosen.body);
      box.current.focus();
    }
  };
  const channel = [...(thread.messages ?? [])].reverse().find((one) => one.sender === "patient")?.channel;
  return html`<form class="reply" onSubmit=${send}>
    <label class="visually-hidden" for="reply">${t("reply.label")}</label>
    <textarea id="reply" ref=${box} rows="2" maxlength=${MOST} placeholder=${t("reply.hint")} value=${draft.body}
      onInput=${(event) => write(event.target.value)} onKeyDown=${onKeyDown}></textarea>
    <div class="row">
      ${templates.length > 0 && html`<label class="visually-hidden" for="template">${t("reply.template")}</label>
        <select id="template" onChange=${useTemplate}>
          <option value="">${t("reply.template")}</option>
          ${templates.map((one) => html`<option key=${one.template_id} value=${one.template_id}>${one.title}</option>`)}
        </select>`}
      <span class="grow soft">${channel ? t(`reply.by.${channel}`) : ""} ${draft.body ? t("reply.kept") : ""}</span>
      <button type="submit" class="primary" disabled=${isSending || !draft.body.trim()}>${isSending ? t("reply.sending") : t("reply.send")}</button>
    </div>
  </form>`;
}
