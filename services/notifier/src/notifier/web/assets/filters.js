// The filter of My Inbox *is* the member's subscription (rule V2): it is previewed before it is saved, and can be undone.

import { html, useEffect, useState } from "./preact.js";
import { api, practicePath } from "./client.js";
import { openInbox } from "./desk.js";
import { desk } from "./desk-state.js";
import { data, t } from "./page.js";
import { Dialog, say, wordsOf } from "./parts.js";
import { useStore } from "./store.js";
import { choicesOf, Effect, SubscriptionEditor } from "./subscriptions.js";

const path = practicePath(`members/${encodeURIComponent(data.staff_id)}/subscriptions`);
const bodyOf = ({ unassigned, subscriptions }) => ({ unassigned, subscriptions });

async function undo(before) {
  try {
    await api("PUT", path, { body: before });
    say(t("filters.undone"));
    openInbox(desk.get().inbox);
  } catch (error) {
    say(wordsOf(error), { kind: "bad" });
  }
}

export function Filters({ onClose }) {
  const { practice } = useStore(desk);
  const [value, setValue] = useState(null);
  const [effect, setEffect] = useState(null);
  const [problem, setProblem] = useState(null);
  const [isChanged, setChanged] = useState(false);
  useEffect(() => {
    api("GET", path).then((found) => setValue(bodyOf(found)), (error) => setProblem(wordsOf(error)));
  }, []);
  useEffect(() => {
    if (!value || !isChanged) return undefined;
    const asking = new AbortController();
    api("PUT", `${path}?dry_run=true`, { body: value, signal: asking.signal }).then(
      (answer) => { setEffect(answer.effect); setProblem(null); },
      (error) => error.name !== "AbortError" && setProblem(wordsOf(error)),
    );
    return () => asking.abort();
  }, [value]);
  const save = async (event) => {
    event.preventDefault();
    try {
      const answer = await api("PUT", path, { body: value });
      onClose();
      say(t("filters.saved"), { action: t("undo"), onAction: () => undo(answer.undo), seconds: 20 });
      openInbox(desk.get().inbox);
    } catch (error) {
      setProblem(wordsOf(error));
    }
  };
  const change = (changed) => { setChanged(true); setValue(changed); };
  const on = { reasons: practice?.reason_routing, locations: practice?.location_routing, providers: practice?.provider_routing };
  return html`<${Dialog} title=${t("filters.title")} wide=${true} onClose=${onClose}>
    <form onSubmit=${save}>
      <p>${t("filters.about")}</p>
      ${value && practice && html`<${SubscriptionEditor} value=${value} choices=${choicesOf(practice)} on=${on} onChange=${change} />`}
      <div class="preview" aria-live="polite">
        ${isChanged && effect && html`<h3>${t("filters.effect")}</h3><${Effect} effect=${effect} choices=${choicesOf(practice)} on=${on} />`}
        ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
      </div>
      <div class="row end">
        <button type="button" onClick=${onClose}>${t("cancel")}</button>
        <button type="submit" class="primary" disabled=${!isChanged || Boolean(problem)}>${t("filters.save")}</button>
      </div>
    </form>
  </${Dialog}>`;
}
