import type { LogBatch } from "../bindings/LogBatch";
import { plainText } from "./ansi";

/** One line of the panel: output, or a remark between two. */
export type LogEntry =
  | {
      kind: "line";
      key: number;
      at: string | null;
      stderr: boolean;
      text: string;
      cutBytes: number;
    }
  | { kind: "remark"; key: number; text: string };

export const LINE_LIMIT = 10_000;
/** Lines can be a megabyte each, so their number alone bounds nothing. */
export const CHARACTER_LIMIT = 32 * 1024 * 1024;

/** The last lines of a stream, within limits of number and size. */
export class LogBuffer {
  #entries: LogEntry[] = [];
  #characters = 0;
  #nextKey = 0;
  /** Lines that are gone: left out by the host or pushed out by newer ones. */
  dropped = 0;
  ended: string | null = null;

  push(batch: LogBatch): void {
    if (batch.restarted) this.#add({ kind: "remark", text: "Started again" });
    if (batch.dropped > 0) {
      this.dropped += batch.dropped;
      this.#add({
        kind: "remark",
        text: `${batch.dropped} ${batch.dropped === 1 ? "line" : "lines"} dropped here, output came too fast`,
      });
    }
    for (const line of batch.lines) {
      const { at, text, cut_bytes: cutBytes } = line;
      this.#add({ kind: "line", at, stderr: line.stream === "stderr", text, cutBytes });
    }
    this.ended = batch.ended;
    this.#trim();
  }

  clear(): void {
    this.#entries = [];
    this.#characters = 0;
    this.dropped = 0;
  }

  /** Counts every entry there ever was, so that a difference tells how many are new. */
  get total(): number {
    return this.#nextKey;
  }

  snapshot(): readonly LogEntry[] {
    return this.#entries.slice();
  }

  #add(entry: DistributiveOmit<LogEntry, "key">): void {
    this.#entries.push({ ...entry, key: this.#nextKey++ });
    this.#characters += entry.text.length;
  }

  #trim(): void {
    let gone = Math.max(0, this.#entries.length - LINE_LIMIT);
    let freed = 0;
    for (let at = 0; at < this.#entries.length; at += 1) {
      const tooLarge = this.#characters - freed > CHARACTER_LIMIT && at < this.#entries.length - 1;
      if (at >= gone && !tooLarge) break;
      gone = Math.max(gone, at + 1);
      freed += this.#entries[at]?.text.length ?? 0;
    }
    const removed = this.#entries.splice(0, gone);
    this.dropped += removed.filter((entry) => entry.kind === "line").length;
    this.#characters -= freed;
  }
}

type DistributiveOmit<T, K extends keyof T> = T extends unknown ? Omit<T, K> : never;

const plain = new WeakMap<LogEntry, string>();

/** What a search looks through; kept, because a search runs again with each batch. */
export function searchText(entry: LogEntry): string {
  let text = plain.get(entry);
  if (text === undefined) {
    text = plainText(entry.text).toLowerCase();
    plain.set(entry, text);
  }
  return text;
}
