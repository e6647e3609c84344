import type { CommandProblem } from "../backend/backend";

/** A failed command, until the person dismisses it. */
export type ReportedProblem = CommandProblem & { key: number; what: string };

/** More than this at once would cover the window; the oldest make room. */
const SHOWN_LIMIT = 4;

/** Whatever a command rejected with, in one shape. */
export function asProblem(error: unknown): CommandProblem {
  if (typeof error === "object" && error !== null && "message" in error) {
    const { message } = error;
    const code = "code" in error && typeof error.code === "string" ? error.code : "unexpected";
    const hint = "hint" in error && typeof error.hint === "string" ? error.hint : null;
    return { code, message: String(message), hint };
  }
  return { code: "unexpected", message: String(error), hint: null };
}

/** Failed commands that are still shown. */
export class Problems {
  list = $state.raw<ReportedProblem[]>([]);
  #nextKey = 0;

  report(what: string, error: unknown): void {
    const problem = { ...asProblem(error), what, key: this.#nextKey++ };
    const others = this.list.filter((old) => old.what !== what || old.message !== problem.message);
    this.list = [...others, problem].slice(-SHOWN_LIMIT);
  }

  dismiss(key: number): void {
    this.list = this.list.filter((problem) => problem.key !== key);
  }
}
