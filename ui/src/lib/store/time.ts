const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `3 min`. The engine's clock may run ahead of this one, so a moment in the future counts as now. */
export function relativeTime(since: number, now: number): string {
  const age = Math.max(0, now - since);
  if (age < 10 * SECOND) return "now";
  // Only every tenth second: the clock behind it ticks no faster.
  if (age < MINUTE) return `${Math.floor(age / (10 * SECOND)) * 10} s`;
  if (age < HOUR) return `${Math.floor(age / MINUTE)} min`;
  if (age < DAY) return `${Math.floor(age / HOUR)} h`;
  return `${Math.floor(age / DAY)} d`;
}

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function absoluteTime(at: string): string {
  const time = Date.parse(at);
  return Number.isNaN(time) ? at : absolute.format(time);
}

const pad = (value: number, length = 2): string => String(value).padStart(length, "0");

/** `10:04:05.123`, in the person's time zone. */
export function clockTime(at: string): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return at;
  const seconds = `${pad(time.getSeconds())}.${pad(time.getMilliseconds(), 3)}`;
  return `${pad(time.getHours())}:${pad(time.getMinutes())}:${seconds}`;
}

/** `3 min ago`, `just now`. */
export function agoText(at: string, now: number): string {
  const time = Date.parse(at);
  if (Number.isNaN(time)) return at;
  const age = relativeTime(time, now);
  return age === "now" ? "just now" : `${age} ago`;
}
