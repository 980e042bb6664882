// The settings as they are, and as they would be: a dry run says what a draft leaves without anybody before it is saved.

import { api, practicePath, request } from "./client.js";
import { data, labelOf, t } from "./page.js";
import { hush, say, wordsOf } from "./parts.js";
import { createStore } from "./store.js";

export const draft = createStore({
  settings: null, saved: null, etag: null, places: { locations: [], providers: [] },
  isChanged: false, isSaving: false, isOutdated: false, warnings: [], problems: [], error: null,
});

const { get, set } = draft;
const path = () => practicePath("routing-settings");
let checking = null;
let timer = null;

export async function loadSettings() {
  try {
    const response = await request("GET", path());
    const settings = await response.json();
    set({ settings, saved: settings, etag: response.headers.get("ETag"), isChanged: false, isOutdated: false, warnings: [], problems: [], error: null });
  } catch (error) {
    if (error.status === 404) start();
    else set({ error: wordsOf(error) });
  }
  if (data.role === "operator") return; // names of places are for the practice's own staff
  const practice = await api("GET", "/v1/practice").catch(() => null);
  if (practice) set({ places: { locations: practice.locations, providers: practice.providers } });
}

/** A practice without settings begins with the defaults. */
function start() {
  const settings = {
    practice_id: data.practice_id, version: 0, reason_routing: false, location_routing: false, provider_routing: false,
    stickiness: { window: "PT1H", broken_by: ["sms", "voicemail"] }, reasons: [], extensions: [], shared_inboxes: [],
    members: [], default_subscribers: [], freshness_limit: "PT24H", sms_reason_menu: false, label_correction: false,
  };
  set({ settings, saved: settings, etag: null });
}

export function edit(change) {
  const settings = { ...get().settings, ...change };
  set({ settings, isChanged: JSON.stringify(settings) !== JSON.stringify(get().saved) });
  clearTimeout(timer);
  timer = setTimeout(check, 250);
}

export function discard() {
  set({ settings: get().saved, isChanged: false, warnings: [], problems: [], isOutdated: false });
  if (get().etag) loadSettings();
}

const precondition = () => (get().etag ? { "If-Match": get().etag } : {});

async function check() {
  checking?.abort();
  checking = new AbortController();
  if (!get().isChanged) {
    set({ warnings: [], problems: [] });
    return;
  }
  try {
    const answer = await api("PUT", `${path()}?dry_run=true`, { body: get().settings, headers: precondition(), signal: checking.signal });
    set({ warnings: answer.warnings, problems: [], isOutdated: false });
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.status === 412) set({ isOutdated: true, warnings: [], problems: [] });
    else set({ warnings: [], problems: problemWords(error) });
  }
}

export async function save() {
  set({ isSaving: true });
  const before = get().saved;
  try {
    await api("PUT", path(), { body: get().settings, headers: precondition() });
    await loadSettings();
    say(t("draft.saved", { n: get().saved.version }), before.version ? { action: t("undo"), onAction: () => bringBack(before.version), seconds: 20 } : {});
  } catch (error) {
    if (error.status === 412) set({ isOutdated: true });
    else set({ problems: problemWords(error) });
  } finally {
    set({ isSaving: false });
  }
}

export async function bringBack(version) {
  try {
    await api("POST", `${path()}/versions/${version}/revert`, { body: {}, headers: precondition() });
    await loadSettings();
    hush();
    say(t("history.reverted", { n: version }));
  } catch (error) {
    say(wordsOf(error), { kind: "bad" });
  }
}

const problemWords = (error) => (error.problem?.errors ?? []).map((one) => `${one.pointer.replace(/^#\/?/, "")}: ${one.detail}`).concat(error.problem?.errors ? [] : [wordsOf(error)]);

export function cellWords(cell) {
  const { settings, places } = get();
  const reason = settings.reasons.find((one) => one.id === cell.reason_id);
  return [
    cell.reason_id === null ? null : cell.reason_id === "other" ? t("reason.other") : labelOf(reason?.label) || cell.reason_id,
    placeName(places.locations, cell.location_id, t("location.unknown")),
    placeName(places.providers, cell.provider_id, t("provider.unknown")),
  ].filter(Boolean).join(" · ") || t("any_message");
}

export function placeName(places, id, unknown) {
  if (id === null || id === undefined) return null;
  return id === "unknown" ? unknown : (places.find((one) => one.id === id)?.name ?? id);
}

export const memberName = (id) => get().settings.members.find((one) => one.staff_id === id)?.name ?? id;
