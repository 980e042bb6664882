// Push messages for this browser: turned on and off here, and nowhere else.

import { html } from "./preact.js";
import { api } from "./client.js";
import { data, many, t } from "./page.js";
import { say, useAnswer, wordsOf } from "./parts.js";
import { keep, kept } from "./store.js";

const PATH = "/v1/push-subscriptions";
const SCOPE = "/console/";
const KEPT = `push-${data.staff_id}`; // two people may share a browser

const remove = (id) => api("DELETE", `${PATH}/${encodeURIComponent(id)}`);

async function look() {
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) return { state: "unsupported", others: [] };
  const { public_key: key, subscription_ids: ids } = await api("GET", PATH);
  const ours = kept(localStorage, KEPT, null);
  const registration = await navigator.serviceWorker.getRegistration(SCOPE);
  const isOn = ids.includes(ours) && Boolean(await registration?.pushManager.getSubscription());
  const state = !key ? "not_set_up" : isOn ? "on" : Notification.permission === "denied" ? "blocked" : "off";
  return { state, key, ours: isOn ? ours : null, others: ids.filter((one) => !isOn || one !== ours) };
}

async function subscribed(key) {
  const registration = await navigator.serviceWorker.register(`${SCOPE}push-worker.js?language=${data.language}`, { scope: SCOPE });
  await navigator.serviceWorker.ready;
  const wanted = { userVisibleOnly: true, applicationServerKey: key };
  try {
    return await registration.pushManager.subscribe(wanted);
  } catch (error) {
    if (error.name !== "InvalidStateError") throw error;
    await (await registration.pushManager.getSubscription())?.unsubscribe(); // it was for another key
    return registration.pushManager.subscribe(wanted);
  }
}

async function turnOn(key) {
  if ((await Notification.requestPermission()) !== "granted") return;
  const subscription = await subscribed(key);
  const { subscription_id: id } = await api("POST", PATH, { body: subscription.toJSON() });
  keep(localStorage, KEPT, id);
}

/** The browser stays subscribed at its push service: a colleague may be told in it, too. */
async function turnOff(id) {
  await remove(id);
  keep(localStorage, KEPT, null);
}

export function ThisBrowser({ isWanted }) {
  const { value, error, again } = useAnswer(look, "");
  if (error) return html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`;
  if (!value) return html`<p class="soft">${t("loading")}</p>`;
  const { state, key, ours, others } = value;
  const act = (work) => work
    .catch((failure) => say(failure.problem ? wordsOf(failure) : t("push.failed"), { kind: "bad" }))
    .then(again);
  return html`<div class="this-browser">
    <div class="row"><span class="grow" role="status">${t(`push.${state}`)}</span>
      ${state === "off" && html`<button type="button" onClick=${() => act(turnOn(key))}>${t("push.turn_on")}</button>`}
      ${state === "on" && html`<button type="button" onClick=${() => act(turnOff(ours))}>${t("push.turn_off")}</button>`}</div>
    ${others.length > 0 && html`<div class="row"><span class="grow">${many("push.others", others.length)}</span>
      <button type="button" onClick=${() => act(Promise.all(others.map(remove)))}>${t("push.forget")}</button></div>`}
    ${isWanted && !ours && !others.length && html`<p class="notice warn">${t("push.nowhere")}</p>`}
    ${!isWanted && ours && html`<p class="notice warn">${t("push.unwanted")}</p>`}
  </div>`;
}
