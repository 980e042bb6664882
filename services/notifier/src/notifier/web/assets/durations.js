// ISO 8601 durations, as the API has them.

/** Whole minutes of a duration of days, hours and minutes. */
export function minutesOf(duration) {
  const found = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:\d+S)?)?$/.exec(duration) ?? [];
  return Number(found[1] ?? 0) * 1440 + Number(found[2] ?? 0) * 60 + Number(found[3] ?? 0);
}

export const minutes = (n) => `PT${n}M`;
