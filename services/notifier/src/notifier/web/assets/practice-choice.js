// An operator belongs to no practice: the address says which one is meant.

import { html } from "./preact.js";
import { data, t } from "./page.js";

export const PracticeChoice = () => html`<div class="sheet"><section class="card">
  <h1>${t("choose_practice")}</h1>
  <form method="get" action=${`/${data.page}`} class="row asking">
    <label class="field"><span>${t("practice_id")}</span><input name="practice" required pattern="[A-Za-z0-9_-]{1,64}" /></label>
    <button type="submit" class="primary">${t("open")}</button>
  </form>
</section></div>`;
