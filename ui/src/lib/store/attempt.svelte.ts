import type { CommandProblem } from "../backend/backend";
import { asProblem } from "./problems.svelte";

/** A command whose failure is told where it was asked for. */
export class Attempt {
  busy = $state(false);
  problem = $state.raw<CommandProblem | null>(null);
  #left = false;

  /** `report` is told of a failure that comes when its place is gone. */
  constructor(readonly report: (error: unknown) => void = () => undefined) {}

  /** One at a time. Says whether it succeeded. */
  async run(command: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.problem = null;
    try {
      await command();
      return true;
    } catch (error) {
      if (this.#left) this.report(error);
      else this.problem = asProblem(error);
      return false;
    } finally {
      this.busy = false;
    }
  }

  leave(): void {
    this.#left = true;
  }
}
