import type { Mute } from "../bindings/Mute";

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DAY = 24 * 60 * 60 * 1000;

/** `Muted until 14:05`; `null` when it is told of, also because the hour is over. */
export function muteText(mute: Mute | null, now: number): string | null {
  if (mute === null) return null;
  if (mute === "for_good") return "Muted for good";
  const until = Date.parse(mute.until);
  if (Number.isNaN(until) || until <= now) return null;
  return `Muted until ${(until - now < DAY ? time : day).format(until)}`;
}
