// What is read, changed here, and saved as a whole.

import { html, useEffect, useRef, useState } from "./preact.js";
import { api } from "./client.js";
import { t } from "./page.js";
import { say, useAnswer, wordsOf } from "./parts.js";

/** { value, isChanged, problem, edit(change), save() } of what a path answers; `begin` makes the first draft of it. */
export function useSaved(path, begin = (found) => found) {
  const { value, error, again } = useAnswer(() => api("GET", path), path);
  const [draft, setDraft] = useState(null);
  const [problem, setProblem] = useState(null);
  const sent = useRef(null);
  // What was saved is the answer now; what was changed since is a draft still.
  useEffect(() => setDraft((now) => (now === sent.current ? null : now)), [value]);
  const now = draft ?? (value && begin(value));
  const save = async (body = now) => {
    sent.current = draft;
    try {
      await api("PUT", path, { body });
      setProblem(null);
      say(t("saved"));
      again();
      return true;
    } catch (failure) {
      setProblem(wordsOf(failure));
      return false;
    }
  };
  return { value: now, isChanged: draft !== null, problem: problem ?? (error && wordsOf(error)), edit: (change) => setDraft({ ...now, ...change }), save, again };
}

/** A form around `children` with its button; what is wrong is said next to that. */
export function SavedForm({ saved, label, bodyOf = (value) => value, children }) {
  const onSubmit = (event) => {
    event.preventDefault();
    saved.save(bodyOf(saved.value));
  };
  return html`<form class="stack" aria-label=${label} onSubmit=${onSubmit}>
    ${children}
    ${saved.problem && html`<p class="notice bad" role="alert">${saved.problem}</p>`}
    <div class="row end">
      ${saved.isChanged && html`<span class="soft">${t("unsaved")}</span>`}
      <button type="submit" class="primary">${t("save")}</button>
    </div>
  </form>`;
}
