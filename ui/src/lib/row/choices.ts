import type { Choice } from "../bindings/Choice";

export type Words = {
  label: string;
  /** What to ask before it is done, and the word for going on. */
  ask?: { text: string; action: string };
};

/** Ways out of a problem, in words. */
export const CHOICES: Record<Choice, Words> = {
  "keep-version": { label: "Keep the data's version" },
  upgrade: {
    label: "Upgrade the data…",
    ask: {
      text: "The data is carried over into the new version. The old data is kept in the trash.",
      action: "Upgrade",
    },
  },
  "start-empty": {
    label: "Start empty…",
    ask: {
      text: "It starts with new, empty data. The old data goes to the trash, from where it can be restored.",
      action: "Start empty",
    },
  },
  "keep-credentials": { label: "Keep the data's user and password" },
  "apply-credentials": { label: "Change them in the data" },
  "other-port": { label: "Use another port" },
  "stop-holder": { label: "Stop what holds it" },
};
