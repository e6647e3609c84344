import type { Backend, Close } from "../backend/backend";
import type { LogBatch } from "../bindings/LogBatch";
import { asProblem } from "../store/problems.svelte";
import { plainText } from "./ansi";
import { LogBuffer, searchText, type LogEntry } from "./buffer";

/** The log of one service while its panel is open. */
export class LogSession {
  /** What is shown. Stands still while the person reads further up. */
  lines = $state.raw<readonly LogEntry[]>([]);
  dropped = $state(0);
  /** Lines that came since the view stands still. */
  unseen = $state(0);
  ended = $state<string | null>(null);
  following = $state(true);
  opened = $state(false);
  query = $state("");
  /** Which match is current, counted from the oldest. */
  matchAt = $state(0);

  readonly matches = $derived.by(() => {
    const needle = this.query.toLowerCase();
    if (needle === "") return [];
    const found: number[] = [];
    this.lines.forEach((entry, index) => {
      if (searchText(entry).includes(needle)) found.push(index);
    });
    return found;
  });

  readonly #buffer = new LogBuffer();
  #shownTotal = 0;
  #scheduled = false;
  #close: Close | undefined;
  #open = true;

  constructor(
    backend: Backend,
    readonly service: string,
    readonly schedule: (flush: () => void) => void = (flush) => requestAnimationFrame(flush),
  ) {
    backend
      .openLogs(service, (batch) => this.#receive(batch))
      .then(
        (close) => {
          this.opened = true;
          if (this.#open) this.#close = close;
          else close();
        },
        (error: unknown) => {
          const { message, hint } = asProblem(error);
          this.ended = hint === null ? message : `${message}. ${hint}`;
        },
      );
  }

  close(): void {
    this.#open = false;
    this.#close?.();
  }

  clear(): void {
    this.#buffer.clear();
    this.#show();
  }

  pause(): void {
    this.following = false;
  }

  follow(): void {
    this.following = true;
    this.#show();
  }

  search(query: string): void {
    this.query = query;
    // The newest match is what one usually looks for.
    this.matchAt = Math.max(0, this.matches.length - 1);
    if (this.matches.length > 0) this.pause();
  }

  nextMatch(step: 1 | -1): void {
    const total = this.matches.length;
    if (total > 0) this.matchAt = (this.matchAt + step + total) % total;
    this.pause();
  }

  /** The whole buffer, as readable text. */
  text(): string {
    return this.#buffer
      .snapshot()
      .map((entry) => (entry.kind === "line" ? plainText(entry.text) : `--- ${entry.text} ---`))
      .join("\n");
  }

  #receive(batch: LogBatch): void {
    if (!this.#open) return;
    this.#buffer.push(batch);
    // Many batches may come within a frame; one rendering shows them all.
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.schedule(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    this.ended = this.#buffer.ended;
    if (this.following) this.#show();
    else {
      this.dropped = this.#buffer.dropped;
      this.unseen = this.#buffer.total - this.#shownTotal;
    }
  }

  #show(): void {
    this.lines = this.#buffer.snapshot();
    this.dropped = this.#buffer.dropped;
    this.unseen = 0;
    this.#shownTotal = this.#buffer.total;
  }
}
