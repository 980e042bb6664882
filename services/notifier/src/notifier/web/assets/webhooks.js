// Webhook endpoints of the practice: where its events are sent to, why one gets nothing, and what each was sent.

import { html, useState } from "./preact.js";
import { api } from "./client.js";
import { Deliveries, errorWords } from "./deliveries.js";
import { fullTime, since, t } from "./page.js";
import { Checkbox, Dialog, say, useAnswer, wordsOf } from "./parts.js";

const PATH = "/v1/webhook-endpoints";
const EVENTS = ["message", "conversation", "notification", "action-rejected", "settings", "seen", "patient", "escalation", "duty", "webhook-disabled"];
const NEW = { url: "", events: ["message", "conversation"], payload: "thin", description: "", enabled: true };
const bodyOf = ({ url, events, payload, description, enabled }) => ({ url, events, payload, description, enabled });

/** The secret, this once: it is gone with the dialog. */
function Secret({ shown, onClose }) {
  const copy = () => navigator.clipboard.writeText(shown.secret).then(() => say(t("webhooks.copied")), () => say(t("webhooks.not_copied"), { kind: "bad" }));
  return html`<${Dialog} title=${t("webhooks.secret")} wide=${true} onClose=${onClose}>
    <p>${t("webhooks.secret.about")}</p>
    ${shown.until && html`<p>${t("webhooks.earlier_until", { when: fullTime(shown.until) })}</p>`}
    <p><code class="secret" tabindex="0">${shown.secret}</code></p>
    <div class="row end"><button type="button" onClick=${copy}>${t("webhooks.copy")}</button>
      <button type="button" class="primary" onClick=${onClose}>${t("webhooks.kept")}</button></div>
  </${Dialog}>`;
}

function EndpointForm({ given, onClose, onSave }) {
  const [value, setValue] = useState(bodyOf(given));
  const [problem, setProblem] = useState(null);
  const edit = (change) => setValue({ ...value, ...change });
  const save = async (event) => {
    event.preventDefault();
    try {
      await onSave(value);
    } catch (failure) {
      setProblem(wordsOf(failure));
    }
  };
  return html`<${Dialog} title=${t(given.id ? "webhooks.change" : "webhooks.add")} wide=${true} onClose=${onClose}>
    <form class="stack" onSubmit=${save}>
      <label class="field"><span>${t("webhooks.url")}</span><input type="url" required value=${value.url} placeholder="https://" onInput=${(event) => edit({ url: event.target.value })} /></label>
      <label class="field"><span>${t("webhooks.description")}</span><input maxlength="200" value=${value.description} onInput=${(event) => edit({ description: event.target.value })} /></label>
      <fieldset><legend>${t("webhooks.events")}</legend><div class="choices-grid">${EVENTS.map((name) => html`<${Checkbox} key=${name} label=${t(`event.${name}`)} checked=${value.events.includes(name)}
        onChange=${(on) => edit({ events: EVENTS.filter((one) => (one === name ? on : value.events.includes(one))) })} />`)}</div></fieldset>
      <fieldset><legend>${t("webhooks.payload")}</legend>${["thin", "full"].map((kind) => html`<label class="check" key=${kind}>
        <input type="radio" name="payload" checked=${value.payload === kind} onChange=${() => edit({ payload: kind })} /><span>${t(`webhooks.payload.${kind}`)}</span></label>`)}</fieldset>
      ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
      <div class="row end"><button type="button" onClick=${onClose}>${t("cancel")}</button><button type="submit" class="primary" disabled=${!value.events.length}>${t("save")}</button></div>
    </form>
  </${Dialog}>`;
}

function State({ one }) {
  const state = one.enabled ? (one.failing_since ? "failing" : "ok") : "off";
  return html`<span class=${`flag state-${state}`}>${t(`webhooks.state.${state}`)}</span>`;
}

function Endpoint({ one, onChange, onSecret, onEdit }) {
  const path = `${PATH}/${encodeURIComponent(one.id)}`;
  const [isLogOpen, setLogOpen] = useState(false);
  const [turn, setTurn] = useState(0);
  const act = async (work) => {
    try {
      await work();
    } catch (failure) {
      say(wordsOf(failure), { kind: "bad" });
    }
    setTurn((n) => n + 1);
    onChange();
  };
  const named = html`<span class="visually-hidden"> ${one.url}</span>`;
  const test = () => act(async () => {
    const went = await api("POST", `${path}/test`);
    say(went.ok ? t("webhooks.test.ok", { ms: went.milliseconds }) : t("webhooks.test.failed", { why: errorWords(went.error, went.status) }), { kind: went.ok ? "" : "bad" });
  });
  const rotate = () => act(async () => {
    const made = await api("POST", `${path}/rotate-secret`);
    onSecret({ secret: made.secret, until: made.earlier_secret_until });
  });
  const enable = (enabled) => act(() => api("PUT", path, { body: { ...bodyOf(one), enabled } }));
  const remove = () => act(() => api("DELETE", path));
  const [isRemoving, setRemoving] = useState(false);
  return html`<li class="connection-row">
    <div class="line"><h3 class="grow">${one.url}</h3><${State} one=${one} /></div>
    ${one.description && html`<p class="soft">${one.description}</p>`}
    <p class="soft">${t(`webhooks.payload_short.${one.payload}`)} · ${one.events.map((name) => t(`event.${name}`)).join(", ")}</p>
    ${!one.enabled && html`<p class="notice ${one.disabled_because === "asked" ? "warn" : "bad"}">${t(`webhooks.because.${one.disabled_because}`, { when: fullTime(one.disabled_at) })}</p>`}
    ${one.enabled && one.failing_since && html`<p class="notice warn">${t("webhooks.failing", { since: since(one.failing_since) })}</p>`}
    ${one.earlier_secret_until && new Date(one.earlier_secret_until) > new Date() && html`<p class="soft">${t("webhooks.earlier_until", { when: fullTime(one.earlier_secret_until) })}</p>`}
    <div class="row">
      <button type="button" onClick=${() => enable(!one.enabled)}>${t(one.enabled ? "webhooks.disable" : "webhooks.enable")}${named}</button>
      <button type="button" onClick=${() => onEdit(one)}>${t("change")}${named}</button>
      <button type="button" onClick=${test}>${t("webhooks.test")}${named}</button>
      <button type="button" onClick=${rotate}>${t("webhooks.rotate")}${named}</button>
      <button type="button" aria-expanded=${isLogOpen} onClick=${() => setLogOpen(!isLogOpen)}>${t("webhooks.log")}${named}</button>
      <button type="button" class="danger" onClick=${() => setRemoving(true)}>${t("remove")}${named}</button>
    </div>
    ${isLogOpen && html`<${Deliveries} path=${path} turn=${turn} />`}
    ${isRemoving && html`<${Dialog} title=${t("webhooks.remove")} onClose=${() => setRemoving(false)}>
      <p>${t("webhooks.remove.about", { url: one.url })}</p>
      <div class="row end"><button type="button" onClick=${() => setRemoving(false)}>${t("cancel")}</button>
        <button type="button" class="danger" onClick=${() => { setRemoving(false); remove(); }}>${t("remove")}</button></div>
    </${Dialog}>`}
  </li>`;
}

export function Webhooks() {
  const { value, error, again } = useAnswer(() => api("GET", PATH), "");
  const [edited, setEdited] = useState(null);
  const [secret, setSecret] = useState(null);
  const save = async (body) => {
    const isNew = !edited.id;
    const made = await api(isNew ? "POST" : "PUT", isNew ? PATH : `${PATH}/${encodeURIComponent(edited.id)}`, { body });
    setEdited(null);
    if (isNew) setSecret({ secret: made.secret });
    else say(t("saved"));
    again();
  };
  return html`<section class="card">
    <div class="line"><h2 class="grow">${t("notifications.webhooks")}</h2><button type="button" class="primary" onClick=${() => setEdited(NEW)}>${t("webhooks.add")}</button></div>
    <p class="soft">${t("webhooks.about")}</p>
    ${error && html`<p class="notice bad" role="alert">${wordsOf(error)}</p>`}
    ${!value && !error && html`<p class="empty">${t("loading")}</p>`}
    ${value?.length === 0 && html`<p class="empty">${t("webhooks.none")}</p>`}
    <ul class="rows">${value?.map((one) => html`<${Endpoint} key=${one.id} one=${one} onChange=${again} onSecret=${setSecret} onEdit=${setEdited} />`)}</ul>
    ${edited && html`<${EndpointForm} given=${edited} onClose=${() => setEdited(null)} onSave=${save} />`}
    ${secret && html`<${Secret} shown=${secret} onClose=${() => setSecret(null)} />`}
  </section>`;
}
