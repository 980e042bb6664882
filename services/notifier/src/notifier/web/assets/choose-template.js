// Choosing the words that a practice answers with often, by a few letters of them.

import { html, useState } from "./preact.js";
import { t } from "./page.js";
import { Dialog } from "./parts.js";

const plain = (words) => words.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");

export function ChooseTemplate({ templates, onChoose, onClose }) {
  const [typed, setTyped] = useState("");
  const wanted = plain(typed).split(/\s+/);
  const found = templates.filter((one) => wanted.every((word) => plain(`${one.title} ${one.body}`).includes(word)));
  const onKeyDown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (found.length) onChoose(found[0].body);
  };
  return html`<${Dialog} title=${t("reply.template")} wide=${true} onClose=${onClose}>
    <label class="field"><span>${t("reply.template.find")}</span>
      <input type="search" autocomplete="off" autofocus value=${typed} onInput=${(event) => setTyped(event.target.value)} onKeyDown=${onKeyDown} /></label>
    <div aria-live="polite">
      ${found.length === 0 && html`<p class="soft">${t("reply.template.none")}</p>`}
      <ul class="choices">${found.map((one) => html`<li key=${one.template_id}>
        <button type="button" class="two-lines" onClick=${() => onChoose(one.body)}><strong>${one.title}</strong><span class="soft">${one.body}</span></button></li>`)}</ul>
    </div>
  </${Dialog}>`;
}
