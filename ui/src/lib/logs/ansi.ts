import Anser from "anser";

/** A run of text in one style. */
export type Segment = {
  text: string;
  /** Classes of `app.css`: `ansi-red`, `bold`. */
  classes: string;
  /** A colour beyond the sixteen named ones, as `r, g, b`. */
  color: string | null;
};

/* eslint-disable no-control-regex -- control characters are what this module is about */

/** Operating system commands, such as titles and links, and other strings meant for the terminal itself. */
const TERMINAL_STRING = /(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)/g;
/** Colours and text styles, the only sequences that are kept. */
const STYLE = /^\x1b\[[\d;:]*m$/;
/** Cursor movement, erasing, character sets and other complete sequences. */
const SEQUENCE = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[()*+\-./][ -~]|[ #%][ -~]|[=>78cDEHMNOZ])/g;
/**
 * What no terminal shows as itself, and what turns the direction of the text after it. Escapes that are part of
 * nothing complete stay until here and become visible.
 */
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;
const ANY_CONTROL = new RegExp(CONTROL.source);
const LONE_ESCAPE = /\x1b(?!\[[\d;]*m)/g;

const PICTURES_START = 0x2400;
const PICTURE_DELETE = "\u2421";
const REPLACEMENT = "\ufffd";

function picture(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(PICTURES_START + code);
  return code === 0x7f ? PICTURE_DELETE : REPLACEMENT;
}

/** What a carriage return leaves on the line: `50%\r100%` ends as `100%`. */
function lastWritten(text: string): string {
  const line = text.replace(/[\r\n]+$/, "");
  return line.slice(line.lastIndexOf("\r") + 1);
}

/** The line with nothing but styles left of its escape sequences. */
function withStyles(text: string): string {
  return lastWritten(text.replace(TERMINAL_STRING, ""))
    .replace(SEQUENCE, (sequence) => (STYLE.test(sequence) ? sequence.replaceAll(":", ";") : ""))
    .replace(LONE_ESCAPE, picture("\x1b"))
    .replace(CONTROL, (character) => (character === "\x1b" ? character : picture(character)));
}

/** The line as a person reads it. */
export function plainText(text: string): string {
  // The common case by far; it spares five passes over the line.
  if (!ANY_CONTROL.test(text)) return text;
  return withStyles(text).replace(/\x1b\[[\d;]*m/g, "");
}
/* eslint-enable no-control-regex */

type Entry = ReturnType<typeof Anser.ansiToJson>[number];

function toSegment(entry: Entry): Segment {
  const classes: string[] = entry.decorations.filter((name) => name !== "blink");
  let color: string | null = null;
  // Backgrounds are left out: with them, text of any service could be made unreadable.
  const fg = entry.fg as string | null;
  if (fg === "ansi-truecolor") color = entry.fg_truecolor;
  else if (fg !== null && !fg.startsWith("ansi-palette")) classes.push(fg);
  return { text: entry.content, classes: classes.join(" "), color };
}

/** The line as runs of styled text. Only text and known classes come out, whatever goes in. */
export function parseAnsi(text: string): Segment[] {
  const styled = withStyles(text);
  if (!styled.includes("\u001b")) return [{ text: styled, classes: "", color: null }];
  return Anser.ansiToJson(styled, { json: true, remove_empty: true, use_classes: true }).map(
    toSegment,
  );
}

/** Cuts after `limit` characters. */
export function truncate(segments: readonly Segment[], limit: number): Segment[] {
  const kept: Segment[] = [];
  let room = limit;
  for (const segment of segments) {
    if (room <= 0) break;
    kept.push({ ...segment, text: segment.text.slice(0, room) });
    room -= segment.text.length;
  }
  return kept;
}

/** A megabyte of one letter would else become as many elements. */
const MARK_LIMIT = 500;

/** Splits segments where `query` begins and ends, and marks what matches. */
export function markMatches(
  segments: readonly Segment[],
  query: string,
): (Segment & { match: boolean })[] {
  const needle = query.toLowerCase();
  if (needle === "") return segments.map((segment) => ({ ...segment, match: false }));
  const whole = segments
    .map((segment) => segment.text)
    .join("")
    .toLowerCase();
  const edges: number[] = [];
  let at = whole.indexOf(needle);
  while (at !== -1 && edges.length < 2 * MARK_LIMIT) {
    edges.push(at, at + needle.length);
    at = whole.indexOf(needle, at + needle.length);
  }
  const parts: (Segment & { match: boolean })[] = [];
  let offset = 0;
  let edge = 0;
  for (const segment of segments) {
    let rest = segment.text;
    while (rest.length > 0) {
      while (edge < edges.length && (edges[edge] ?? 0) <= offset) edge += 1;
      const text = rest.slice(0, (edges[edge] ?? Infinity) - offset);
      // Between an odd and an even edge lies a match.
      parts.push({ ...segment, text, match: edge % 2 === 1 });
      offset += text.length;
      rest = rest.slice(text.length);
    }
  }
  return parts;
}
