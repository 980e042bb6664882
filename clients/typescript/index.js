// Staff apps for Switchboard: the API, and a live stream that resumes where it was. Types are in index.d.ts.

const FIRST_MS = 500;
const MOST_MS = 20_000;
const PATIENCE_MS = 60_000; // how long a request is repeated that gets no answer, or a 5xx
const SILENCE_MS = 45_000;
const REMEMBERED = 1_000;

/** The API said no. `title` and `detail` are for people (RFC 9457); `problem` is the whole answer. */
export class ApiError extends Error {
  constructor(status, problem) {
    super([`${status} ${problem.title ?? ""}`, problem.detail].filter(Boolean).join(": "));
    this.status = status;
    this.title = problem.title ?? "";
    this.detail = problem.detail ?? "";
    this.problem = problem;
  }
}

/** An action was refused: somebody was faster, or it makes no sense any more. */
export class Refused extends ApiError {}

/** One person's access. */
export class StaffClient {
  #baseUrl;
  #token;

  constructor(baseUrl, token) {
    this.#baseUrl = baseUrl.replace(/\/$/, "");
    this.#token = token;
  }

  practice() {
    return this.#json("GET", "/v1/practice");
  }

  inboxes() {
    return this.#json("GET", "/v1/inboxes");
  }

  conversations(query = {}) {
    return this.#json("GET", `/v1/conversations?${parameters(query)}`);
  }

  conversation(conversationId) {
    return this.#json("GET", `/v1/conversations/${encodeURIComponent(conversationId)}`);
  }

  search(words, cursor = null) {
    return this.#json("POST", "/v1/search", { words, cursor });
  }

  replyTemplates() {
    return this.#json("GET", "/v1/reply-templates");
  }

  /** The practice's escalations that go on; of one conversation those that have ended too. */
  escalations(conversationId) {
    return this.#json("GET", `/v1/escalations?${parameters({ conversation_id: conversationId })}`);
  }

  seen(conversationId, version) {
    return this.#json("POST", `/v1/conversations/${encodeURIComponent(conversationId)}/seen`, { version });
  }

  /** Do something to a conversation, once, and return how it is then. Throws `Refused`. */
  async act(conversationId, action, body = {}, key = crypto.randomUUID()) {
    const path = `/v1/conversations/${encodeURIComponent(conversationId)}/${action}`;
    let answer = await this.#request("POST", path, body, { "Idempotency-Key": key });
    const waiting = delays();
    while (answer.status === 202) {
      const { change_id: changeId } = await answer.json();
      await sleep(waiting.next().value);
      answer = await this.#request("GET", `/v1/actions/${changeId}`);
    }
    return (await answer.json()).conversation;
  }

  stream(options = {}) {
    return new EventStream(this, options);
  }

  /** One HTTP request, without repetition: what `EventStream` is made of. */
  fetch(path, init = {}) {
    const headers = { ...init.headers, Authorization: `Bearer ${this.#token}` };
    return fetch(this.#baseUrl + path, { ...init, headers });
  }

  async #json(method, path, body) {
    return (await this.#request(method, path, body)).json();
  }

  /** Repeated when it gets no answer: reading harms nobody, and actions carry a key that makes them one. */
  async #request(method, path, body, headers = {}) {
    const init = { method, headers };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { ...headers, "Content-Type": "application/json" };
    }
    const waiting = delays();
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      const isLast = Date.now() > until;
      try {
        const answer = await this.fetch(path, init);
        if (answer.status < 500 || isLast) return await checked(answer);
      } catch (error) {
        if (error instanceof ApiError || isLast) throw error;
      }
      await sleep(waiting.next().value);
    }
  }
}

/**
 * The staff stream, across disconnects: every event once, in order, or a `reset` that says to read the inboxes again.
 * It ends only with an error that trying again cannot mend, or when its signal is aborted.
 */
export class EventStream {
  #staff;
  #query;
  #signal;
  #onConnection;
  #known = new Set();
  #retry = FIRST_MS;

  constructor(staff, { cursor = null, signal = null, onConnection = () => {}, ...query } = {}) {
    this.#staff = staff;
    this.#query = parameters(query);
    this.#signal = signal;
    this.#onConnection = onConnection;
    /** Where to go on: the id of the last event whose handling has ended. Keep it to resume another day. */
    this.cursor = cursor;
    /** How often it has connected. */
    this.connections = 0;
  }

  async *[Symbol.asyncIterator]() {
    let waiting = delays(this.#retry);
    while (!this.#signal?.aborted) {
      try {
        for await (const event of this.#connected()) {
          waiting = delays(this.#retry);
          yield event;
          this.cursor = event.id || this.cursor;
        }
      } catch (error) {
        if (this.#signal?.aborted) return;
        if (!(error instanceof ConnectionLost)) throw error;
      }
      await sleep(waiting.next().value);
    }
  }

  async *#connected() {
    const alarm = new Alarm(this.#signal);
    let isConnected = false;
    try {
      const answer = await this.#open(alarm.signal);
      if (answer === null) return;
      this.connections += 1;
      isConnected = true;
      this.#onConnection(true);
      const lines = new Lines(answer.body.getReader());
      let event = empty();
      for (let line = await read(lines); line !== null; line = await read(lines)) {
        alarm.postpone();
        if (line === "") {
          if (event.data !== "" && this.#isNew(event)) yield { ...event, data: JSON.parse(event.data) };
          event = empty();
        } else this.#field(line, event);
      }
    } finally {
      alarm.cancel();
      if (isConnected) this.#onConnection(false);
    }
  }

  async #open(signal) {
    const headers = this.cursor ? { "Last-Event-ID": this.cursor } : {};
    const answer = await lost(this.#staff.fetch(`/v1/stream?${this.#query}`, { headers, signal }));
    return answer.status >= 500 ? null : checked(answer);
  }

  /** https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
  #field(line, event) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event.event = value;
    else if (name === "id") event.id = value;
    else if (name === "data") event.data += event.data === "" ? value : `\n${value}`;
    else if (name === "retry" && /^\d+$/.test(value)) this.#retry = Number(value);
  }

  /** Counts say how it is, not what happened: they have the id of an event that was sent before. */
  #isNew({ event, id }) {
    if (event === "counts" || event === "snapshot") return true;
    const name = `${event} ${id}`;
    if (this.#known.has(name)) return false;
    this.#known.add(name);
    if (this.#known.size > REMEMBERED) this.#known.delete(this.#known.values().next().value);
    return true;
  }
}

class ConnectionLost extends Error {}

/** Whatever goes wrong on the way is a lost connection: what the consumer throws is not. */
async function lost(promise) {
  try {
    return await promise;
  } catch (error) {
    throw new ConnectionLost("the connection is lost", { cause: error });
  }
}

const read = (lines) => lost(lines.next());
const empty = () => ({ event: "message", id: "", data: "" });
const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Milliseconds, doubling up to a limit, each a random part of that: those who fail together do not come back together. */
function* delays(first = FIRST_MS) {
  for (let longest = first; ; longest = Math.min(MOST_MS, 2 * longest)) yield longest * Math.random();
}

function parameters(query) {
  return new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== null));
}

async function checked(answer) {
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({ title: answer.statusText }));
  throw new (answer.status === 409 ? Refused : ApiError)(answer.status, problem);
}

/** Ends a connection on which nothing has come for three heartbeats, or when the caller's signal says so. */
class Alarm {
  #controller = new AbortController();
  #timer;
  signal;

  constructor(outer) {
    this.signal = outer ? AbortSignal.any([outer, this.#controller.signal]) : this.#controller.signal;
    this.postpone();
  }

  postpone() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), SILENCE_MS);
  }

  /** Closes the connection too, when the consumer has stopped listening. */
  cancel() {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }
}

/** The lines of a body as they come. */
class Lines {
  #reader;
  #decoder = new TextDecoder();
  #rest = "";
  #ready = [];

  constructor(reader) {
    this.#reader = reader;
  }

  async next() {
    while (this.#ready.length === 0) {
      const { value, done } = await this.#reader.read();
      if (done) return null;
      const parts = (this.#rest + this.#decoder.decode(value, { stream: true })).split("\n");
      this.#rest = parts.pop();
      this.#ready = parts;
    }
    return this.#ready.shift();
  }
}
