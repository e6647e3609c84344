const KEY = "locald.folds";

function remembered(): Readonly<Record<string, boolean>> {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    if (typeof found !== "object" || found === null) return {};
    return Object.fromEntries(
      Object.entries(found).filter(([, fold]) => typeof fold === "boolean"),
    );
  } catch {
    // Storage that is switched off or damaged costs the memory, not the list.
    return {};
  }
}

/** Which groups of the list a person folded or unfolded; kept for the next window. */
export class Folds {
  #chosen = $state.raw(remembered());

  isFolded(group: string, byDefault: boolean): boolean {
    return this.#chosen[group] ?? byDefault;
  }

  set(group: string, folded: boolean): void {
    this.#chosen = { ...this.#chosen, [group]: folded };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#chosen));
    } catch {
      // As above: it holds for this window only.
    }
  }
}
