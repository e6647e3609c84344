import ArrowDownToLine from "@lucide/svelte/icons/arrow-down-to-line";
import Circle from "@lucide/svelte/icons/circle";
import CircleCheck from "@lucide/svelte/icons/circle-check";
import CirclePlay from "@lucide/svelte/icons/circle-play";
import CircleQuestionMark from "@lucide/svelte/icons/circle-question-mark";
import CircleX from "@lucide/svelte/icons/circle-x";
import Hourglass from "@lucide/svelte/icons/hourglass";
import LoaderCircle from "@lucide/svelte/icons/loader-circle";
import OctagonAlert from "@lucide/svelte/icons/octagon-alert";
import RotateCw from "@lucide/svelte/icons/rotate-cw";
import TriangleAlert from "@lucide/svelte/icons/triangle-alert";
import type { ServiceRow } from "../bindings/ServiceRow";

type Icon = typeof Circle;

const ICONS: Record<ServiceRow["state"], Icon> = {
  stopped: Circle,
  waiting: Hourglass,
  preparing: ArrowDownToLine,
  starting: LoaderCircle,
  running: CirclePlay,
  stopping: LoaderCircle,
  backing_off: RotateCw,
  exited: CircleCheck,
  failed: OctagonAlert,
  unknown: CircleQuestionMark,
};

/** A shape a state, so that colour only repeats what the shape says. */
export function stateIcon(view: Pick<ServiceRow, "state" | "tone" | "turns_on">): Icon {
  if (view.state === "exited" && view.tone !== "neutral") return CircleX;
  if (view.state === "unknown" && !view.turns_on) return Hourglass;
  if (view.state === "running" && view.tone === "warning") return TriangleAlert;
  return ICONS[view.state];
}

export function healthText(view: Pick<ServiceRow, "health">): string | null {
  switch (view.health) {
    case "none":
      return null;
    case "starting":
      return "waiting for health check";
    case "healthy":
      return "healthy";
    case "unhealthy":
      return "unhealthy";
  }
}

/** What its restart policy came to, set apart from the rest of the state's words. */
export function stateWords(
  view: Pick<ServiceRow, "state_text" | "crash_looping" | "gave_up" | "restarts">,
): { badge: string | null; words: string; tellsRestarts: boolean } {
  const badge = view.crash_looping ? "crash-looping" : view.gave_up ? "gave up" : null;
  const lead = `${badge}: `;
  const text = view.state_text;
  const words = text.startsWith(lead) ? text.slice(lead.length) : text;
  return { badge, words, tellsRestarts: text.includes(`${view.restarts} restarts`) };
}

/** Is there more to say than fits beside the name? */
export function hasDetails(view: ServiceRow): boolean {
  const serious = view.tone === "bad" || view.tone === "warning";
  return (
    view.error !== null ||
    view.outdated ||
    view.health === "unhealthy" ||
    (view.last_line !== null && serious)
  );
}
