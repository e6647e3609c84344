import type { EngineRow } from "../bindings/EngineRow";
import { capitalize } from "./format";

/** How an engine is called where it is more than a word in a line. */
export function engineName(id: string): string {
  return /^[a-z]+$/.test(id) ? capitalize(id) : id;
}

/** The native engine is a part of locald, and has none of its own. */
const ownVersion = ({ kind, version }: EngineRow) => (kind === "native" ? null : version);

/** `Podman 4.3.1`; the family is left out where the engine is called so. */
export function engineVersion(engine: EngineRow): string {
  const family = engine.id === engine.kind ? null : capitalize(engine.kind);
  return [family, ownVersion(engine)].filter(Boolean).join(" ");
}

/** Not one that just isn't installed. */
const isMissed = ({ absent }: EngineRow) => !absent;

export type EngineTone = "online" | "partly" | "connecting" | "offline";

/** One lamp for all engines. */
export function engineTone(engines: readonly EngineRow[]): EngineTone {
  const states = engines.filter(isMissed).map((engine) => engine.state);
  if (states.includes("online")) return states.includes("offline") ? "partly" : "online";
  return states.includes("connecting") ? "connecting" : "offline";
}

const NAMED_LIMIT = 3;

/** `Docker 28.2.2`, or `Docker, Podman` and `1 offline`. */
export function engineSummary(all: readonly EngineRow[]): { names: string; state: string } {
  const engines = all.filter(isMissed);
  const [first] = engines;
  if (!first) return { names: "No engine", state: "" };
  if (engines.length === 1) {
    const version = first.state === "online" ? ownVersion(first) : null;
    const state = first.state === "online" ? "" : first.state;
    return { names: `${engineName(first.id)} ${version ?? ""}`.trim(), state };
  }
  const names =
    engines.length > NAMED_LIMIT
      ? `${engines.length} engines`
      : engines.map(({ id }) => engineName(id)).join(", ");
  const amount = (state: string) => engines.filter((engine) => engine.state === state).length;
  const told = ["offline", "connecting"].flatMap((state) => {
    const found = amount(state);
    if (found === 0) return [];
    return [found === engines.length ? `all ${state}` : `${found} ${state}`];
  });
  return { names, state: told.join(", ") };
}
