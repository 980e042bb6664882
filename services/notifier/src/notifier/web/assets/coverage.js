// Who is told about what: reasons × locations → people, with what nobody or only one person looks after.

import { html } from "./preact.js";
import { api, practicePath } from "./client.js";
import { draft, memberName, placeName } from "./draft.js";
import { labelOf, many, t } from "./page.js";
import { useAnswer, wordsOf } from "./parts.js";
import { useStore } from "./store.js";

const unique = (list) => [...new Set(list)];

function Cell({ cell }) {
  if (!cell.people.length) return html`<td class="cell hole"><strong>${t("coverage.nobody")}</strong></td>`;
  return html`<td class=${`cell ${cell.people.length === 1 ? "single" : ""}`}>
    ${cell.people.map(memberName).join(", ")}${cell.people.length === 1 ? html` <span class="flag">${t("coverage.single")}</span>` : ""}
  </td>`;
}

export function Coverage() {
  const { saved, places, settings } = useStore(draft);
  const { value, error } = useAnswer(() => api("GET", practicePath("coverage")), saved.version);
  if (error) return html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`;
  if (!value) return html`<p class="empty">${t("loading")}</p>`;
  const { cells } = value;
  const rows = unique(cells.map((one) => one.reason_id));
  const columns = unique(cells.map((one) => `${one.location_id ?? ""}|${one.provider_id ?? ""}`));
  const at = (row, column) => cells.find((one) => one.reason_id === row && `${one.location_id ?? ""}|${one.provider_id ?? ""}` === column);
  const rowName = (id) => (id === null ? t("any_reason") : id === "other" ? t("reason.other") : labelOf(settings.reasons.find((one) => one.id === id)?.label) || id);
  const columnName = (column) => {
    const [location, provider] = column.split("|").map((one) => one || null);
    return [placeName(places.locations, location, t("location.unknown")), placeName(places.providers, provider, t("provider.unknown"))].filter(Boolean).join(" · ") || t("any_location");
  };
  return html`<section class="card">
    <h2>${t("coverage.title")}</h2>
    <p class="row">
      <span class=${`notice ${value.empty.length ? "bad" : "good"}`}>${many("coverage.holes", value.empty.length)}</span>
      <span class="notice warn">${many("coverage.singles", value.single.length)}</span>
    </p>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("coverage.title")}><table class="matrix">
      <thead><tr><td></td>${columns.map((one) => html`<th key=${one} scope="col">${columnName(one)}</th>`)}</tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row}><th scope="row">${rowName(row)}</th>
        ${columns.map((column) => html`<${Cell} key=${column} cell=${at(row, column)} />`)}</tr>`)}</tbody>
    </table></div>
  </section>`;
}
