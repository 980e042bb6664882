// What the page was sent with: who is signed in, and the words of one language.

export const data = JSON.parse(document.getElementById("page-data").textContent);

/** The words for a key, with `{name}` filled in. An unknown key shows itself. */
export function t(key, values = {}) {
  const words = data.words[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Words that depend on a number: `key.one` or `key.other`. */
export function many(key, n, values = {}) {
  const form = new Intl.PluralRules(data.language).select(n) === "one" ? "one" : "other";
  return t(`${key}.${form}`, { n, ...values });
}

const clock = new Intl.DateTimeFormat(data.language, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(data.language, { weekday: "short", month: "short", day: "numeric" });
const full = new Intl.DateTimeFormat(data.language, { dateStyle: "medium", timeStyle: "short" });
const ago = new Intl.RelativeTimeFormat(data.language, { numeric: "always", style: "narrow" });

/** The hour of today, or the day of another day. */
export function shortTime(instant) {
  const at = new Date(instant);
  return at.toDateString() === new Date().toDateString() ? clock.format(at) : day.format(at);
}

export const dayOf = (instant) => day.format(new Date(instant));
export const timeOf = (instant) => clock.format(new Date(instant));
export const fullTime = (instant) => full.format(new Date(instant));

/** "3 min. ago". */
export function since(instant) {
  const seconds = (Date.now() - new Date(instant)) / 1000;
  if (seconds < 60) return t("just_now");
  if (seconds < 5400) return ago.format(-Math.round(seconds / 60), "minute");
  if (seconds < 129600) return ago.format(-Math.round(seconds / 3600), "hour");
  return ago.format(-Math.round(seconds / 86400), "day");
}

/** A practice's words for something, in the page's language or in what there is. */
export function labelOf(words) {
  return words?.[data.language] ?? words?.en ?? Object.values(words ?? {})[0] ?? "";
}
