// The right end of the page's head: the connection, the person, the language, signing off; and the logoff warning.

import { html, render } from "./preact.js";
import { data, many, t } from "./page.js";
import { Dialog, Menu, Toasts } from "./parts.js";
import { session, signOut, stay, watchSession } from "./session.js";
import { useStore } from "./store.js";

const OTHER_LANGUAGE = { en: ["es", "Español"], es: ["en", "English"] };

function LogoffWarning() {
  const { secondsLeft } = useStore(session);
  if (secondsLeft === null) return null;
  return html`<${Dialog} title=${t("logoff.title")} onClose=${stay}>
    <p role="timer" aria-live="off">${many("logoff.left", secondsLeft)}</p>
    <div class="row end">
      <button type="button" onClick=${() => signOut("ended")}>${t("sign_out")}</button>
      <button type="button" class="primary" onClick=${stay}>${t("logoff.stay")}</button>
    </div>
  </${Dialog}>`;
}

function Person({ name }) {
  const [language, words] = OTHER_LANGUAGE[data.language];
  return html`<${Menu} label=${name ?? data.staff_id}>
    <p class="soft">${t(`role.${data.role}`)}</p>
    <a lang=${language} href=${`/console/language/${language}?next=${location.pathname}`}>${words}</a>
    <button type="button" class="link" onClick=${() => signOut("ended")}>${t("sign_out")}</button>
  </${Menu}>`;
}

function Top({ children, useName }) {
  const name = useName?.();
  return html`${children}<${Person} name=${name} /><${LogoffWarning} /><${Toasts} />`;
}

/** Draw the head. `extra` is a component of the page's own, `useName` a hook that gives the person's name. */
export function drawTop(extra = null, useName = null) {
  watchSession();
  render(html`<${Top} useName=${useName}>${extra && html`<${extra} />`}</${Top}>`, document.getElementById("status"));
}
