// The front desk's state: what is listed, what is open, and how the stream changes both.
//
// Nothing here moves what somebody reads: a conversation that is listed is changed where it stands, a new one waits behind
// "3 new", and one that left is marked and stays until the list is read again.

import { api, newKey } from "./client.js";
import { desk, refusalWords, whereNow } from "./desk-state.js";
import { data, many, t } from "./page.js";
import { say, wordsOf } from "./parts.js";
import { keep } from "./store.js";
import { Stream } from "./stream.js";
import { alarm } from "./alarm.js";
import { onEscalation, readEscalations } from "./duty.js";

const { get, set } = desk;
const MISSED_COMES_WITHIN = 2_000; // at once, and in one piece
const PATIENCE = 1_000; // for the stream to begin before we read without it
const readings = new Set();
let isAway = false;
let isSure = true; // a stream that begins anew after an absence cannot tell what was missed
let missed = 0; // messages that came while the connection was away
let hasRead = false;
let begin = null;
const begun = new Promise((done) => { begin = done; });

const first = (items, id) => items.find((one) => one.conversation_id === id);
const replaced = (items, id, change) => items.map((one) => (one.conversation_id === id ? { ...one, ...change } : one));

// ---- reading

export async function start() {
  addEventListener("online", () => stream.retry());
  document.addEventListener("visibilitychange", () => document.hidden || stream.retry());
  stream.open();
  await Promise.race([begun, new Promise((done) => setTimeout(done, PATIENCE))]);
  hasRead = true;
  await Promise.all([readPractice(), readInboxes()]);
  const { inboxes, inbox } = get();
  const known = inboxes.some((one) => one.inbox === inbox) || inbox === "closed";
  set({ inbox: known ? inbox : (inboxes[0]?.inbox ?? "mine") });
  await readList();
  const wanted = new URLSearchParams(location.hash.slice(1)).get("c");
  if (wanted) open(wanted);
}

/** An answer, and what the stream told of each conversation while it was under way: the answer may be older than that. */
async function reading(path) {
  const told = new Map();
  readings.add(told);
  try {
    return { answer: await api("GET", path), told };
  } finally {
    readings.delete(told);
  }
}

const isNewer = (summary, than) => (summary?.version ?? -1) > than.version;
const upToDate = (conversations, told) => conversations.map((one) => {
  const summary = told.get(one.conversation_id);
  return isNewer(summary, one) ? { ...one, ...listedAs(summary) } : one;
});

async function readPractice() {
  try {
    set({ practice: await api("GET", "/v1/practice") });
    set({ templates: await api("GET", "/v1/reply-templates") });
    await readEscalations();
  } catch (error) {
    set({ error: wordsOf(error) });
  }
}

async function readInboxes() {
  try {
    set({ inboxes: await api("GET", "/v1/inboxes") });
  } catch (error) {
    set({ error: wordsOf(error) });
  }
}

export async function openInbox(inbox) {
  keep(sessionStorage, "inbox", inbox);
  set({ inbox, items: inbox === get().inbox ? get().items : [], arrived: [], search: null });
  await readList();
}

export async function readList() {
  const { inbox } = get();
  if (!inbox) return;
  set({ isLoading: true, error: null });
  try {
    const { answer, told } = await reading(`/v1/conversations?inbox=${encodeURIComponent(inbox)}`);
    if (get().inbox !== inbox) return;
    const items = upToDate(answer.conversations, told);
    const arrived = get().arrived.filter((id) => told.has(id) && !first(items, id));
    set({ items, cursor: answer.cursor, arrived, isLoading: false });
  } catch (error) {
    set({ isLoading: false, error: wordsOf(error) });
  }
}

export async function readMore() {
  const { inbox, cursor, isLoading, search } = get();
  if (search) {
    await findMore(search);
    return;
  }
  if (!cursor || isLoading) return;
  set({ isLoading: true });
  try {
    const { answer, told } = await reading(`/v1/conversations?inbox=${encodeURIComponent(inbox)}&cursor=${encodeURIComponent(cursor)}`);
    if (get().inbox !== inbox) return;
    const more = upToDate(answer.conversations, told).filter((one) => !first(get().items, one.conversation_id));
    set((state) => ({ items: [...state.items, ...more], cursor: answer.cursor, isLoading: false }));
  } catch (error) {
    set({ isLoading: false, error: wordsOf(error) });
  }
}

export async function searchFor(words) {
  if (!words.trim()) {
    set({ search: null });
    return;
  }
  set({ search: { words, items: get().search?.items ?? [], isLoading: true } });
  try {
    const page = await api("POST", "/v1/search", { body: { words } });
    if (get().search?.words === words) set({ search: { words, items: page.conversations, cursor: page.cursor, isLoading: false } });
  } catch (error) {
    set({ search: { words, items: [], isLoading: false, error: wordsOf(error) } });
  }
}

async function findMore({ words, items, cursor, isLoading }) {
  if (!cursor || isLoading) return;
  const is = (change) => get().search?.words === words && set((state) => ({ search: { ...state.search, ...change } }));
  is({ isLoading: true });
  try {
    const page = await api("POST", "/v1/search", { body: { words, cursor } });
    is({ items: [...items, ...page.conversations], cursor: page.cursor, isLoading: false });
  } catch (error) {
    is({ isLoading: false, error: wordsOf(error) });
  }
}

export async function open(id) {
  const known = first(listed(), id);
  set({ selected: id, conflict: null, thread: get().thread?.conversation_id === id ? get().thread : known ? { ...known, messages: null } : null });
  history.replaceState(null, "", `#c=${encodeURIComponent(id)}`);
  await readThread();
}

export function shut() {
  set({ selected: null, thread: null, conflict: null });
  history.replaceState(null, "", location.pathname);
}

async function readThread() {
  const id = get().selected;
  if (!id) return;
  try {
    const { answer, told } = await reading(`/v1/conversations/${encodeURIComponent(id)}`);
    if (get().selected !== id) return;
    if (isNewer(told.get(id), answer)) await readThread();
    else set({ thread: answer });
  } catch (error) {
    if (get().selected === id) set({ thread: null, conflict: wordsOf(error) });
  }
}

/** What the list shows: an inbox, or what a search found. */
export const listed = () => get().search?.items ?? get().items;

// ---- the stream

const stream = new Stream({
  state(connection) {
    if (connection === "away") isAway = true;
    set({ connection });
  },
  event: onEvent,
  reset() {
    if (isAway) isSure = false;
    readEverything();
  },
  snapshot() {
    if (isAway) isSure = false;
    if (hasRead) readEverything();
    else begin();
  },
  back(seconds) {
    setTimeout(() => {
      isAway = false;
      const away = seconds < 60 ? t("away.short") : many("away.minutes", Math.max(1, Math.round(seconds / 60)));
      const came = missed ? many("away.arrived", missed) : isSure ? t("away.nothing") : "";
      say(`${away} ${came}`, { seconds: missed ? 0 : 20 });
      missed = 0;
      isSure = true;
    }, MISSED_COMES_WITHIN);
  },
});

/** The cursor means nothing any more, or our rights changed. */
async function readEverything() {
  await Promise.all([readPractice(), readInboxes(), readList(), readThread()]);
}

function onEvent(kind, event) {
  switch (kind) {
    case "message": return onMessage(event);
    case "conversation": return onConversation(event);
    case "notification": return onNotification(event);
    case "seen": return onSeen(event);
    case "counts": return onCounts(event);
    case "patient": return change(event.conversation_id, { patient: event.patient });
    case "settings": return readPractice();
    case "escalation": return onEscalation(event);
    case "duty": return set((state) => ({ practice: state.practice && { ...state.practice, duty: event } }));
    default: return undefined;
  }
}

const knownAs = (id) => first(get().items, id) ?? (get().thread?.conversation_id === id ? get().thread : undefined);

function onMessage(event) {
  const id = event.conversation_id;
  const known = knownAs(id);
  const summary = {
    ...shared(event),
    unread: true,
    status: "open",
    urgent: event.urgent || Boolean(known?.unread && known.urgent),
    message_version: event.conversation_version,
    updated_at: event.received_at,
    last_message: { message_id: event.message_id, sender: "patient", channel: event.channel, body: event.body.slice(0, 200), sent_at: event.received_at },
  };
  place(id, event.conversation_version, summary);
  if (isAway) missed += 1;
  append(id, {
    message_id: event.message_id, sender: "patient", staff_id: null, channel: event.channel, body: event.body,
    attachments: event.attachments, transcript: null, reason: event.reason, sent_at: event.received_at, urgent: event.urgent,
  });
}

function onConversation(event) {
  const id = event.conversation_id;
  if (event.change === "message_updated") {
    amend(id, event);
    return;
  }
  const known = knownAs(id);
  const summary = { ...shared(event), status: event.status, updated_at: event.occurred_at };
  if (event.reply) {
    summary.last_message = { ...event.reply, body: event.reply.body.slice(0, 200), sender: "staff", sent_at: event.occurred_at };
    append(id, { ...event.reply, sender: "staff", staff_id: event.actor.id, transcript: null, reason: null, sent_at: event.occurred_at });
  }
  const isAnswered = event.reply && event.actor.kind === "staff";
  if (isAnswered || event.status === "closed") Object.assign(summary, { unread: false, urgent: false, read_version: known?.message_version });
  place(id, event.conversation_version, summary);
  if (event.transcript) transcribe(id, event.transcript);
  if (event.change === "contact_linked") readThread();
}

function onNotification(event) {
  const id = event.conversation_id;
  change(id, (one) => ({ unseen: [...new Set([...(one.unseen ?? []), event.notification_id])] }));
  if (event.rings !== false) alarm(first(get().items, id));
}

function onSeen(event) {
  const seen = new Set(event.notification_ids ?? []);
  const forget = (one) => ({ unseen: (one.unseen ?? []).filter((id) => !seen.has(id)) });
  if (!event.conversation_id) {
    set((state) => ({ items: state.items.map((one) => ({ ...one, ...forget(one) })) }));
    return;
  }
  change(event.conversation_id, (one) => ({
    ...forget(one),
    read_version: Math.max(one.read_version ?? 0, event.read_version ?? 0),
    unread: one.unread && (one.message_version ?? 0) > (event.read_version ?? 0),
  }));
}

function onCounts(event) {
  const inboxes = get().inboxes.map((one) => {
    const counts = event.inboxes?.[one.inbox];
    return counts ? { ...one, ...counts, ...(one.inbox === "mine" ? { unseen: event.unseen } : {}) } : one;
  });
  set({ inboxes });
}

/** What a message and a change say alike about a conversation. Rule V1: a custom shared inbox shows no labels. */
function shared(event) {
  const hasLabels = event.destination.kind !== "shared_inbox";
  return {
    conversation_id: event.conversation_id,
    patient_id: event.patient_id,
    patient: event.patient,
    version: event.conversation_version,
    destination: event.destination,
    audience: event.audience.map((one) => one.staff_id),
    reason: hasLabels ? event.reason : null,
    location: hasLabels ? event.location : null,
    provider: hasLabels ? event.provider : null,
  };
}

function place(id, version, summary) {
  for (const told of readings) told.set(id, summary);
  const known = first(get().items, id);
  if (known && version < known.version) return;
  const belongs = belongsTo(get().inbox, summary);
  if (known) {
    set((state) => ({ items: replaced(state.items, id, listedAs(summary)) }));
  } else if (belongs && get().items.length === 0 && !get().isLoading) {
    set({ items: [{ unseen: [], ...summary }] });
  } else if (belongs && !get().arrived.includes(id)) {
    set((state) => ({ arrived: [...state.arrived, id] }));
  }
  const { search, thread } = get();
  if (search) set({ search: { ...search, items: replaced(search.items, id, summary) } });
  if (thread?.conversation_id === id && version >= thread.version) set({ thread: { ...thread, ...summary } });
}

/** How a conversation looks in the inbox that is open: one that left it says where it went. */
const listedAs = (summary) => ({ ...summary, left: belongsTo(get().inbox, summary) ? null : whereNow(summary) });

function change(id, more) {
  const apply = (one) => (one.conversation_id === id ? { ...one, ...(typeof more === "function" ? more(one) : more) } : one);
  set((state) => ({ items: state.items.map(apply), thread: state.thread && apply(state.thread) }));
}

function append(id, message) {
  const { thread } = get();
  if (thread?.conversation_id !== id || !thread.messages) return;
  if (thread.messages.some((one) => one.message_id === message.message_id)) return;
  set({ thread: { ...thread, messages: [...thread.messages, { ...message, isNew: true }] } });
}

function transcribe(id, { message_id: messageId, text }) {
  change(id, (one) => (one.messages ? { messages: one.messages.map((it) => (it.message_id === messageId ? { ...it, transcript: text } : it)) } : {}));
}

/** More is known of a message: a file of it was copied, or our text has come so far. The conversation is as it was. */
function amend(id, { message_id: messageId, attachment, delivery }) {
  const amended = (one) => ({
    ...one,
    delivery: delivery ?? one.delivery,
    attachments: (one.attachments ?? []).map((file) => (file.id === attachment?.id ? attachment : file)),
  });
  change(id, (one) => (one.messages ? { messages: one.messages.map((it) => (it.message_id === messageId ? amended(it) : it)) } : {}));
}

function belongsTo(inbox, one) {
  if (inbox === "closed") return one.status === "closed";
  if (one.status === "closed") return false;
  if (inbox === "mine") return one.audience.includes(data.staff_id);
  if (inbox === "assigned") return one.destination.kind === "member" && one.destination.id === data.staff_id;
  if (inbox === "unassigned") return one.destination.kind === "unassigned";
  return one.destination.kind === "shared_inbox" && inbox === `shared:${one.destination.id}`;
}

// ---- acting

/** Do something to a conversation; a refusal is said in words next to it. Returns whether it was done. */
export async function act(id, action, body = {}, key = newKey()) {
  set({ conflict: null });
  try {
    await api("POST", `/v1/conversations/${encodeURIComponent(id)}/${action}`, { body, headers: { "Idempotency-Key": key } });
    return true;
  } catch (error) {
    const words = error.problem?.rejection ? refusalWords(error.problem) : wordsOf(error);
    if (get().selected === id) set({ conflict: words });
    else say(words, { kind: "bad" });
    if (error.status === 409) readThread();
    return false;
  }
}

/** Somebody has read it, and says so: looking alone marks nothing. */
export async function markRead(one) {
  const body = { version: one.version };
  try {
    await api("POST", `/v1/conversations/${encodeURIComponent(one.conversation_id)}/seen`, { body });
    change(one.conversation_id, { unread: false, unseen: [] });
  } catch (error) {
    say(wordsOf(error), { kind: "bad" });
  }
}
