import { onDestroy } from "svelte";
import { Attempt } from "./attempt.svelte";
import { getSession } from "./session.svelte";

/** For a component: what fails once that is gone is reported in the window's corner as `what`. */
export function createAttempt(what: () => string): Attempt {
  const { problems } = getSession();
  const attempt = new Attempt((error) => problems.report(what(), error));
  onDestroy(() => attempt.leave());
  return attempt;
}
