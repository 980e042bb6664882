// What the front desk knows, and what things are called there.

import { data, many, t } from "./page.js";
import { createStore, kept } from "./store.js";

export const desk = createStore({
  connection: "connecting",
  practice: null,
  inboxes: [],
  inbox: kept(sessionStorage, "inbox", null),
  items: [],
  cursor: null,
  isLoading: true,
  error: null,
  arrived: [], // ids of conversations that came into this inbox since it was read
  search: null, // { words, items, cursor }
  selected: null,
  thread: null,
  conflict: null,
  templates: [],
});

const { get } = desk;

export function nameOf(staffId) {
  if (staffId === data.staff_id) return t("you");
  return get().practice?.members.find((one) => one.staff_id === staffId)?.name ?? staffId ?? t("somebody");
}

export function inboxName(inbox) {
  if (!inbox) return "";
  if (!inbox.startsWith("shared:")) return t(`inbox.${inbox}`);
  const id = inbox.slice("shared:".length);
  return get().practice?.shared_inboxes.find((one) => one.id === id)?.label ?? id;
}

export function patientName(one) {
  if (one?.patient) return `${one.patient.given_name} ${one.patient.family_name}`;
  return t("unknown_sender");
}

export const arrivedWords = (n) => many("arrived", n);

/** Why an action was refused, and who has the conversation now. */
export function refusalWords({ rejection, detail, destination }) {
  const words = t(`refusal.${rejection}`);
  const isKnown = words !== `refusal.${rejection}`;
  const place = whereNow({ status: "open", destination });
  const now = ["version_conflict", "already_assigned"].includes(rejection) ? t("refusal.now", { place: place[0].toLowerCase() + place.slice(1) }) : "";
  return `${isKnown ? words : detail} ${now}`.trim();
}

/** Where a conversation went that is not in this inbox any more. */
export function whereNow(one) {
  if (one.status === "closed") return t("now.closed");
  switch (one.destination.kind) {
    case "member": return one.destination.id === data.staff_id ? t("now.yours") : t("now.assigned", { name: nameOf(one.destination.id) });
    case "shared_inbox": return t("now.shared", { name: inboxName(`shared:${one.destination.id}`) });
    default: return t("now.unassigned");
  }
}
