/* Makes the thread live: replies arrive by themselves, and what is sent survives a lost connection.

   Without this script the page works by its forms. Texts that wait are kept in this tab's storage until they are sent;
   files are kept in memory only. */

const root = document.getElementById("messenger");
const words = (key) => root.getAttribute(`data-t-${key.replaceAll("_", "-")}`) ?? "";
const list = document.getElementById("thread");
const composer = document.getElementById("composer");
const body = document.getElementById("body");
const picker = document.getElementById("new-message");
const about = document.getElementById("about");
const connection = document.getElementById("connection");
const field = (name) => composer.elements.namedItem(name);

const MOST_FILES = 5;
const LARGEST_FILE = 10 * 1024 * 1024;
const LONGEST_PAUSE = 20_000;
const storageKey = `switchboard:${root.dataset.slug}`;
let csrf = root.dataset.csrf;
let unread = null;
let waiting = JSON.parse(sessionStorage.getItem(storageKey) ?? "[]");
let isSending = false;
let pause = 1000;
let silence = null;

const clock = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
const localTime = (time) => { time.textContent = clock.format(new Date(time.dateTime)); };

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function attachment(one) {
  if (!one.content_type.startsWith("image/")) {
    return element("a", { className: "file", href: one.url, textContent: words("document") });
  }
  return element("a", { className: "photo", href: one.url }, element("img", { src: one.url, alt: words("photo"), loading: "lazy" }));
}

function item(one) {
  const who = element("p", { className: "who", textContent: one.sender === "patient" ? words("you") : root.dataset.practice });
  if (one.channel && one.channel !== "web") who.append(" ", element("span", { textContent: words(`by_${one.channel}`) }));
  const time = element("time", { dateTime: one.sent_at });
  localTime(time);
  const made = element("li", { className: one.sender }, who);
  if (one.body) made.append(element("p", { className: "lines", textContent: one.body }));
  made.append(...(one.attachments ?? []).map(attachment), element("p", { className: "when" }, time));
  return made;
}

const shown = (id) => list.querySelector(`[data-id="${CSS.escape(id)}"]`);

function append(made) {
  const isAtEnd = window.innerHeight + window.scrollY > document.body.scrollHeight - 200;
  list.append(made);
  document.getElementById("nothing").hidden = true;
  if (isAtEnd) composer.scrollIntoView({ block: "end" });
}

function showState(state) {
  csrf = state.csrf_token;
  for (const one of state.messages) {
    const known = shown(one.message_id);
    if (known) {
      showFiles(known, one.attachments ?? []);
      continue;
    }
    const made = item(one);
    made.dataset.id = one.message_id;
    append(made);
  }
  for (const one of waiting) if (one.item) list.append(one.item);
  const isPicking = state.picker !== null && !field("reason_id").value && !body.value && waiting.length === 0;
  picker.hidden = !isPicking;
  composer.hidden = isPicking;
  if (!field("reason_id").value) {
    about.hidden = state.reason === null;
    about.querySelector("strong").textContent = state.reason?.label ?? "";
  }
  unread = state.unread_message_id;
  markRead();
}

/* A file is shown by its name until we know where it is kept. */
function showFiles(message, attachments) {
  const names = message.querySelectorAll("p.file");
  if (!names.length || !attachments.length) return;
  names[0].before(...attachments.map(attachment));
  for (const name of names) name.remove();
}

/* What has been on the screen is read: the practice sees it, and is not kept waiting by the picker (rule R2). */
function markRead() {
  if (unread === null || document.visibilityState !== "visible") return;
  const id = unread;
  unread = null;
  post("read", JSON.stringify({ message_id: id })).catch(() => { unread = id; });
}

function post(path, content, type = "application/json") {
  return fetch(`/v1/messenger/${path}`, { method: "POST", body: content, headers: { "X-CSRF-Token": csrf, "Content-Type": type } });
}

function tell(one, key, retry = false) {
  const line = one.item.querySelector(".when");
  line.querySelector("[data-status]")?.remove();
  const status = element("span", { textContent: words(key) });
  status.dataset.status = key;
  if (retry) {
    const again = element("button", { className: "link", type: "button", textContent: words("retry") });
    again.addEventListener("click", () => { one.failed = false; keep(); sendAll(); });
    status.append(" ", again);
  }
  one.item.classList.toggle("failed", retry);
  line.append(status);
}

function keep() {
  const kept = waiting.map(({ id, text, reason, failed, at }) => ({ id, text, reason, failed, at }));
  if (kept.length) sessionStorage.setItem(storageKey, JSON.stringify(kept));
  else sessionStorage.removeItem(storageKey);
}

function hold(one) {
  one.item = item({ sender: "patient", body: one.text, sent_at: one.at, channel: "web" });
  for (const file of one.files ?? []) one.item.querySelector(".when").before(element("p", { className: "file", textContent: file.name }));
  append(one.item);
  tell(one, one.failed ? "failed" : "sending", one.failed);
}

/* In order, one after the other. Raises what fetch raises without a connection; returns false when trying again is in vain. */
async function send(one) {
  const attachments = [];
  for (const file of one.files ?? []) {
    const answer = await post("attachments", file, file.type || "application/octet-stream");
    if (answer.status === 413 || answer.status === 415) return false;
    if (!answer.ok) throw answer;
    attachments.push((await answer.json()).id);
  }
  const content = { client_message_id: one.id, body: one.text, attachments };
  if (one.reason) content.reason_id = one.reason;
  const answer = await post("messages", JSON.stringify(content));
  if (answer.status === 422) return false;
  if (!answer.ok) throw answer;
  const { message_id: id, emergency_text: urgent } = await answer.json();
  if (urgent) {
    const alarm = document.getElementById("urgent");
    alarm.hidden = false;
    alarm.textContent = urgent;
    alarm.scrollIntoView({ block: "center" });
  }
  if (shown(id)) one.item.remove();
  one.item.dataset.id = id;
  tell(one, "sent");
  return true;
}

async function sendAll() {
  if (isSending) return;
  isSending = true;
  for (let one; (one = waiting.find((candidate) => !candidate.failed)); ) {
    try {
      tell(one, "sending");
      if (await send(one)) waiting = waiting.filter((other) => other !== one);
      else { one.failed = true; tell(one, "failed", true); }
      keep();
      pause = 1000;
    } catch (error) {
      if (error.status === 401 || error.status === 403) { loggedOut(); break; }
      tell(one, "waiting");
      setTimeout(sendAll, pause * (0.5 + Math.random() / 2));
      pause = Math.min(LONGEST_PAUSE, pause * 2);
      break;
    }
  }
  isSending = false;
}

/* How the connection is; that it is well again is said for a while only. */
function say(state) {
  clearTimeout(silence);
  connection.textContent = words(state);
  connection.dataset.state = state;
  if (state === "online") silence = setTimeout(() => { connection.textContent = ""; delete connection.dataset.state; }, 5_000);
}

function loggedOut() {
  stream?.close();
  say("unsent_session");
  for (const one of waiting) tell(one, "failed");
}

function problemOf(files) {
  if (files.length > MOST_FILES) return "files_many";
  if (files.some((file) => file.size > LARGEST_FILE)) return "file_large";
  return files.some((file) => !/^(image\/.+|application\/pdf)$/.test(file.type)) ? "file_type" : null;
}

function fieldError(control, key) {
  const id = `${control.id}-error`;
  let line = document.getElementById(id);
  if (!key) {
    line?.remove();
    control.removeAttribute("aria-invalid");
    control.setAttribute("aria-describedby", `${control.id}-hint`);
    return;
  }
  if (!line) {
    line = element("p", { className: "error", id });
    control.before(line);
  }
  line.textContent = words(key);
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", `${control.id}-hint ${id}`);
  control.focus();
}

function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const files = [...field("files").files];
  const text = body.value.trim();
  const filesProblem = problemOf(files);
  const problem = !text && !files.length ? "write_error" : text.length > 10_000 ? "write_long" : null;
  fieldError(field("files"), filesProblem);
  fieldError(body, problem);
  if (problem || filesProblem) return;
  const one = { id: randomId(), text, reason: field("reason_id").value, files, at: new Date().toISOString() };
  waiting.push(one);
  hold(one);
  keep();
  composer.reset();
  body.value = "";
  field("reason_id").value = "";
  body.focus();
  sendAll();
});

document.getElementById("logout").addEventListener("submit", () => sessionStorage.removeItem(storageKey));
document.addEventListener("visibilitychange", markRead);
window.addEventListener("online", () => { say("online"); sendAll(); });
window.addEventListener("offline", () => say("offline"));
window.addEventListener("beforeunload", (event) => { if (waiting.some((one) => one.files?.length)) event.preventDefault(); });

list.querySelectorAll("time").forEach(localTime);
waiting.forEach(hold);
sendAll();

const stream = new EventSource(`/v1/messenger/stream?language=${document.documentElement.lang}`);
stream.addEventListener("open", () => { if (navigator.onLine && connection.dataset.state === "offline") say("online"); });
stream.addEventListener("state", (event) => showState(JSON.parse(event.data)));
stream.addEventListener("error", async () => {
  if (stream.readyState !== EventSource.CLOSED) { say("offline"); return; }
  const answer = await fetch("/v1/messenger/state").catch(() => null);
  if (answer?.status === 401) loggedOut();
});
