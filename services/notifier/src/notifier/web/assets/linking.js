// A number that is nobody's, or a whole household's: staff say which patient it is, and later messages go there.

import { html, useEffect, useRef, useState } from "./preact.js";
import { api, practicePath } from "./client.js";
import { act } from "./desk.js";
import { t } from "./page.js";
import { Dialog, say, useAnswer, wordsOf } from "./parts.js";

const WAIT = 200; // after the last key, before we ask

export const isContact = (conversation) => conversation.patient_id.startsWith("contact-");

const find = (asked, signal) => api("POST", "/v1/search/patients", { body: asked, signal });

/** Who has this number in the practice-management system, with their names. */
async function readContact(contactId) {
  const contact = await api("GET", practicePath(`contacts/${encodeURIComponent(contactId)}`));
  const ids = [...contact.candidates, ...(contact.linked_to ? [contact.linked_to] : [])];
  return { ...contact, known: ids.length ? await find({ patient_ids: ids }) : [] };
}

function useFound(words) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    if (!words.trim()) { setFound(null); return undefined; }
    const asking = new AbortController();
    const timer = setTimeout(() => find({ words }, asking.signal).then(setFound, () => null), WAIT);
    return () => { clearTimeout(timer); asking.abort(); };
  }, [words]);
  return found;
}

const People = ({ people, onChoose }) => html`<ul class="choices">${people.map((one) => html`<li key=${one.patient_id}>
  <button type="button" onClick=${() => onChoose(one)}><span class="grow">${one.given_name} ${one.family_name}</span>
    <span class="soft">${one.patient_id}</span></button></li>`)}</ul>`;

export function Linking({ thread, onClose }) {
  const { value, error } = useAnswer(() => readContact(thread.patient_id), thread.patient_id);
  const [words, setWords] = useState("");
  const found = useFound(words);
  const input = useRef(null);
  useEffect(() => input.current.focus(), []);
  const choose = async (one) => {
    onClose();
    const isDone = await act(thread.conversation_id, "link", { to_patient_id: one.patient_id });
    if (!isDone) return;
    const close = thread.status === "open" ? { action: t("contact.close"), onAction: () => act(thread.conversation_id, "close") } : {};
    say(t("contact.linked", { name: `${one.given_name} ${one.family_name}` }), { ...close, seconds: 20 });
  };
  return html`<${Dialog} title=${t("contact.who")} onClose=${onClose}>
    <p>${t("contact.about")}${value?.phone && html` <strong>${value.phone}</strong>`}</p>
    ${error && html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`}
    ${value?.known.length > 0 && html`<h3>${t(value.linked_to ? "contact.linked_to" : "contact.household")}</h3>
      <${People} people=${value.known} onChoose=${choose} />`}
    <label class="field"><span>${t("contact.search")}</span>
      <input ref=${input} type="search" autocomplete="off" value=${words} onInput=${(event) => setWords(event.target.value)} /></label>
    <div aria-live="polite">
      ${found?.length === 0 && html`<p class="soft">${t("contact.nobody")}</p>`}
      ${found?.length > 0 && html`<${People} people=${found} onChoose=${choose} />`}
    </div>
  </${Dialog}>`;
}
