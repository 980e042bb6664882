// `/routing`: how a practice's messages are routed. A draft is tried before it is saved.

import { html, render } from "./preact.js";
import { data, t } from "./page.js";
import { Notice, useTab } from "./parts.js";
import { Coverage } from "./coverage.js";
import { History } from "./versions.js";
import { discard, draft, loadSettings, save } from "./draft.js";
import { SettingsEditor } from "./settings.js";
import { useStore } from "./store.js";
import { choicesOf, combinations } from "./subscriptions.js";
import { drawTop } from "./top.js";
import { Exchange } from "./exchange.js";
import { Templates } from "./templates.js";
import { TryOut } from "./tryout.js";
import { PracticeChoice } from "./practice-choice.js";

const TABS = { settings: SettingsEditor, coverage: Coverage, try: TryOut, history: History, exchange: Exchange };
if (data.role === "administrator") TABS.templates = Templates; // what a practice says is no business of operators

function SaveBar() {
  const { isChanged, warnings, problems, isSaving, isOutdated, settings, places } = useStore(draft);
  if (!isChanged) return null;
  const on = { reasons: settings.reason_routing, locations: settings.location_routing, providers: settings.provider_routing };
  const nobody = combinations(warnings, choicesOf({ reasons: settings.reasons, ...places }), on);
  return html`<div class="save-bar" role="region" aria-label=${t("draft.region")}>
    <div class="grow">
      <strong>${t("draft.changed")}</strong>
      <div aria-live="polite">
        ${problems.map((one) => html`<${Notice} key=${one} kind="bad">${one}</${Notice}>`)}
        ${isOutdated && html`<${Notice} kind="warn">${t("draft.outdated")}</${Notice}>`}
        ${nobody.length > 0 && html`<${Notice} kind="warn">${nobody.map((what) => html`<div key=${what}>${t("draft.nobody", { what })}</div>`)}</${Notice}>`}
        ${!problems.length && !warnings.length && !isOutdated && html`<span class="soft">${t("draft.no_warnings")}</span>`}
      </div>
    </div>
    <button type="button" onClick=${discard}>${t("draft.discard")}</button>
    <button type="button" class="primary" disabled=${isSaving || problems.length > 0} onClick=${save}>
      ${t(warnings.length ? "draft.save_anyway" : "draft.save")}</button>
  </div>`;
}

function Page() {
  const { settings, error } = useStore(draft);
  const tab = useTab(TABS, "settings");
  const Tab = TABS[tab];
  return html`<div class="sheet">
    <h1>${t("page.routing")}</h1>
    <nav class="tabs" aria-label=${t("routing.parts")}>
      ${Object.keys(TABS).map((one) => html`<a key=${one} href=${`#${one}`} aria-current=${one === tab ? "true" : null}>${t(`routing.${one}`)}</a>`)}
    </nav>
    ${error && html`<${Notice} kind="bad">${error}</${Notice}>`}
    ${settings && html`<${Tab} />`}
    ${!settings && !error && html`<p class="empty">${t("loading")}</p>`}
    <${SaveBar} />
  </div>`;
}

drawTop(null, () => {
  const { saved } = useStore(draft);
  return saved?.members.find((one) => one.staff_id === data.staff_id)?.name;
});
const main = document.getElementById("main");
main.textContent = "";
render(data.practice_id ? html`<${Page} />` : html`<${PracticeChoice} />`, main);
if (data.practice_id) loadSettings();
