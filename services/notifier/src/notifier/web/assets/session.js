// Automatic logoff: a desk that nobody sits at shows no patients. All tabs of a browser count as one desk.

import { api, leave, remember } from "./client.js";
import { data } from "./page.js";
import { createStore, keep, kept } from "./store.js";

const LAST_ACTIVE = "switchboard-active";
const SIGNED_OUT = "switchboard-signed-out";
const RENEW_EVERY = 60_000;
const NOTE_EVERY = 2_000;

/** `secondsLeft` until the logoff while the warning is shown, else null. */
export const session = createStore({ secondsLeft: null });

let renewedAt = Date.now();
let notedAt = 0;
let isLeaving = false;

function note() {
  const now = Date.now();
  if (session.get().secondsLeft !== null || now - notedAt < NOTE_EVERY) return; // the warning asks for an answer
  notedAt = now;
  keep(localStorage, LAST_ACTIVE, now);
}

async function renew() {
  renewedAt = Date.now();
  const renewed = await api("POST", "/console/session").catch(() => null); // the next minute tries again
  if (renewed) remember(renewed);
}

/** The answer to the warning. */
export function stay() {
  keep(localStorage, LAST_ACTIVE, Date.now());
  session.set({ secondsLeft: null });
  renew();
}

/** End the session; what was typed in this tab goes with it. */
export async function signOut(reason = "ended") {
  isLeaving = true;
  if (reason === "ended") sessionStorage.clear();
  await api("POST", "/console/sign-out").catch(() => null);
  keep(localStorage, SIGNED_OUT, Date.now());
  leave(reason);
}

function look() {
  if (isLeaving) return;
  const now = Date.now();
  const idle = (now - kept(localStorage, LAST_ACTIVE, now)) / 1000;
  const left = Math.ceil(data.idle_seconds - idle);
  if (left <= 0) {
    signOut("idle");
    return;
  }
  const isWarning = left <= data.warning_seconds;
  if (isWarning || session.get().secondsLeft !== null) session.set({ secondsLeft: isWarning ? left : null });
  if (!isWarning && now - renewedAt > RENEW_EVERY && idle < RENEW_EVERY / 1000) renew();
}

export function watchSession() {
  keep(localStorage, LAST_ACTIVE, Date.now());
  for (const kind of ["pointerdown", "keydown", "wheel", "touchstart"]) {
    addEventListener(kind, note, { passive: true, capture: true });
  }
  addEventListener("storage", (event) => event.key === SIGNED_OUT && leave("ended"));
  setInterval(look, 1_000);
}
