// `/console/notifications`: how one is told, when who is on duty, whom an unseen message rings, and other systems.

import { html, render } from "./preact.js";
import { Duty } from "./duty-times.js";
import { api } from "./client.js";
import { Ladder } from "./ladder.js";
import { data, t } from "./page.js";
import { useAnswer, useTab, wordsOf } from "./parts.js";
import { Preferences } from "./preferences.js";
import { drawTop } from "./top.js";
import { Webhooks } from "./webhooks.js";

const TABS = { mine: Preferences, duty: Duty };
if (data.role === "administrator") Object.assign(TABS, { ladder: Ladder, webhooks: Webhooks });

function Page() {
  const { value: practice, error } = useAnswer(() => api("GET", "/v1/practice"), "");
  const tab = useTab(TABS, "mine");
  const Tab = TABS[tab];
  return html`<div class="sheet">
    <h1>${t("page.notifications")}</h1>
    <nav class="tabs" aria-label=${t("notifications.parts")}>
      ${Object.keys(TABS).map((one) => html`<a key=${one} href=${`#${one}`} aria-current=${one === tab ? "true" : null}>${t(`notifications.${one}`)}</a>`)}
    </nav>
    ${error && html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`}
    ${practice ? html`<${Tab} practice=${practice} />` : !error && html`<p class="empty">${t("loading")}</p>`}
  </div>`;
}

drawTop(null, () => useAnswer(() => api("GET", "/v1/practice"), "").value?.members.find((one) => one.staff_id === data.staff_id)?.name);
const main = document.getElementById("main");
main.textContent = "";
render(html`<${Page} />`, main);
