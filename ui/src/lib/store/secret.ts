import type { ConnectionView } from "../bindings/ConnectionView";

const MASK = "…";
/** A shorter one may be part of ordinary words, so it is only masked where a password stands. */
const CERTAIN_LENGTH = 8;

/** The password as it stands in the URL: what `…` stands for in its masked form. */
function inUrl({ url, masked_url }: Pick<ConnectionView, "url" | "masked_url">): string | null {
  const at = masked_url.indexOf(MASK);
  if (at < 0) return null;
  const after = masked_url.slice(at + MASK.length);
  const secret = url.slice(at, url.length - after.length);
  return secret === "" ? null : secret;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const escape = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Makes a function that puts `…` in the place of a connection's password. */
export function maskOf(connection: ConnectionView): (text: string) => string {
  const encoded = inUrl(connection);
  if (encoded === null) return (text) => text;
  const forms = [...new Set([encoded, decoded(encoded)])].sort((a, b) => b.length - a.length);
  return (text) => {
    let shown = text.replaceAll(connection.url, connection.masked_url);
    for (const form of forms) {
      if (shown === form) return MASK;
      if (form.length >= CERTAIN_LENGTH) shown = shown.replaceAll(form, MASK);
      else {
        const place = new RegExp(`(:|password=|PASS\\w*=|-p)${escape(form)}(?=$|[@&\\s'"])`, "gi");
        shown = shown.replace(place, (_, before: string) => before + MASK);
      }
    }
    return shown;
  };
}

/** A value of a `.env` file, in quotes where it needs some. */
function quoted(value: string): string {
  if (/^[\w./:@%+,=?&~…-]*$/.test(value)) return value;
  if (!value.includes("'") && !value.includes("\n")) return `'${value}'`;
  const text = value.replace(/[\\"$`]/g, "\\$&").replaceAll("\n", "\\n");
  return `"${text}"`;
}

/** Variables as lines of a `.env` file. */
export function envLines(
  env: ConnectionView["env"],
  show: (text: string) => string = (text) => text,
): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${quoted(show(value))}`)
    .join("\n");
}
