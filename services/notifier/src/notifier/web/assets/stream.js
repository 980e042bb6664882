// The staff stream: resumes by its cursor, waits longer after each failure, and always says how it is.

const KINDS = ["message", "conversation", "notification", "action-rejected", "counts", "seen", "patient", "settings", "escalation", "duty"];
const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
const SILENCE = 40_000; // two heartbeats and a half: a connection that looks open may be dead

/**
 * @param on.event(kind, data)  one event, new or missed meanwhile
 * @param on.state(name)        "connecting", "live" or "away"
 * @param on.snapshot()         a new stream began: what is read from now on, and its events, are everything
 * @param on.reset()            the cursor means nothing any more: read everything again
 * @param on.back(seconds)      we were away for so long; what was missed comes now
 */
export class Stream {
  constructor(on) {
    this.on = on;
    this.cursor = null;
    this.failures = 0;
    this.awaySince = null;
  }

  open() {
    this.on.state(this.awaySince === null ? "connecting" : "away");
    const query = this.cursor === null ? "" : `?last_event_id=${encodeURIComponent(this.cursor)}`;
    const source = new EventSource(`/v1/stream${query}`);
    this.source = source;
    source.onopen = () => this.#opened();
    source.onerror = () => this.#lost(source);
    source.addEventListener("snapshot", (event) => {
      this.#moved(event);
      this.on.snapshot();
      this.#live();
    });
    source.addEventListener("reset", (event) => {
      this.#moved(event);
      this.on.reset(JSON.parse(event.data).reason);
      this.#live();
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        this.#moved(event);
        this.on.event(kind, JSON.parse(event.data));
      });
    }
    this.#watch();
  }

  /** Try at once: the network is back, or somebody looks at the page again. */
  retry() {
    if (this.waiting) {
      clearTimeout(this.waiting);
      this.waiting = null;
      this.open();
    }
  }

  /** A stream that resumes goes on at once; a new one begins with its snapshot, and misses what comes before. */
  #opened() {
    this.failures = 0;
    if (this.cursor !== null) this.#live();
    this.#watch();
  }

  #live() {
    this.on.state("live");
    if (this.awaySince !== null) this.on.back((Date.now() - this.awaySince) / 1000);
    this.awaySince = null;
  }

  #moved(event) {
    if (event.lastEventId) this.cursor = event.lastEventId;
    this.#watch();
  }

  #lost(source) {
    if (source !== this.source) return;
    source.close();
    clearTimeout(this.silence);
    this.awaySince ??= Date.now();
    this.on.state("away");
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.failures) * (0.5 + Math.random() / 2);
    this.failures += 1;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      this.waiting = null;
      this.open();
    }, wait);
  }

  #watch() {
    clearTimeout(this.silence);
    const source = this.source;
    this.silence = setTimeout(() => this.#lost(source), SILENCE);
  }
}
