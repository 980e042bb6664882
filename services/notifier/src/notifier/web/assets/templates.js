// Reply templates: the words that a practice answers with often. Saved one by one, at once; staff choose them in the inbox.

import { html, useState } from "./preact.js";
import { api } from "./client.js";
import { t } from "./page.js";
import { say, useAnswer, wordsOf } from "./parts.js";

const PATH = "/v1/reply-templates";
const at = (one) => `${PATH}/${encodeURIComponent(one.template_id)}`;

function Fields({ one, onSave, onCancel = null }) {
  const save = (event) => {
    event.preventDefault();
    onSave(Object.fromEntries(new FormData(event.target)), event.target);
  };
  return html`<form class="stack" onSubmit=${save}>
    <label class="field"><span>${t("templates.title_of")}</span><input name="title" required maxlength="100" defaultValue=${one?.title ?? ""} /></label>
    <label class="field"><span>${t("templates.body_of")}</span><textarea name="body" required maxlength="5000" rows="3">${one?.body ?? ""}</textarea></label>
    <div class="row end">
      ${onCancel && html`<button type="button" onClick=${onCancel}>${t("cancel")}</button>`}
      <button type="submit" class="primary">${t(one ? "save" : "templates.add")}</button>
    </div>
  </form>`;
}

export function Templates() {
  const { value, error, again } = useAnswer(() => api("GET", PATH), "");
  const [opened, setOpened] = useState(null);
  const change = async (done, ...request) => {
    try {
      await api(...request);
      done();
    } catch (failure) {
      say(wordsOf(failure), { kind: "bad" });
    }
    again();
  };
  const put = ({ title, body }) => [{ body: { title, body } }];
  const remove = (one) => change(
    () => say(t("templates.removed", { name: one.title }), { action: t("undo"), onAction: () => change(() => null, "PUT", at(one), ...put(one)), seconds: 20 }),
    "DELETE", at(one),
  );
  return html`<section class="card">
    <h2>${t("routing.templates")}</h2>
    <p class="soft">${t("templates.about")}</p>
    ${error && html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`}
    ${!value && !error && html`<p class="empty">${t("loading")}</p>`}
    ${value?.length === 0 && html`<p class="empty">${t("templates.none")}</p>`}
    <ul class="rows">${value?.map((one) => html`<li key=${one.template_id} class="template">
      ${opened === one.template_id
        ? html`<${Fields} one=${one} onCancel=${() => setOpened(null)} onSave=${(form) => change(() => setOpened(null), "PUT", at(one), ...put(form))} />`
        : html`<div class="line"><h3 class="grow">${one.title}</h3>
            <button type="button" class="link" onClick=${() => setOpened(one.template_id)}>${t("change")}<span class="visually-hidden"> ${one.title}</span></button>
            <button type="button" class="link" onClick=${() => remove(one)}>${t("remove")}<span class="visually-hidden"> ${one.title}</span></button></div>
          <p class="template-body">${one.body}</p>`}
    </li>`)}</ul>
  </section>
  <section class="card">
    <h2>${t("templates.add")}</h2>
    <${Fields} onSave=${(form, element) => change(() => element.reset(), "POST", PATH, ...put(form))} />
  </section>`;
}
