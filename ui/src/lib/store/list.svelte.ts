import type { ProjectRow } from "../bindings/ProjectRow";
import type { Dashboard } from "./dashboard.svelte";

/** What stands on one line of the list. */
export type ListItem =
  | { kind: "project"; key: string; project: ProjectRow; ids: readonly string[] }
  | { kind: "service"; key: string; id: string };

function projectOf(id: string): string {
  return id.slice(0, id.indexOf("/"));
}

/** What the list shows, and where the keyboard is in it. */
export class ServiceListModel {
  filter = $state("");
  active = $state<string | null>(null);

  readonly #dashboard: Dashboard;

  constructor(dashboard: Dashboard) {
    this.#dashboard = dashboard;
  }

  readonly visible = $derived.by(() => {
    const words = this.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const { order } = this.#dashboard;
    if (words.length === 0) return order;
    return order.filter((id) => {
      const view = this.#dashboard.entry(id)?.view;
      const text = `${id} ${view?.origin} ${view?.state_text} ${view?.health}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  });

  readonly items = $derived.by(() => this.#build());

  /** The row that Tab reaches: the chosen one while it is shown, else the first. */
  readonly tabStop = $derived(
    this.active !== null && this.visible.includes(this.active)
      ? this.active
      : (this.visible[0] ?? null),
  );

  indexOf(id: string): number {
    return this.items.findIndex((item) => item.kind === "service" && item.id === id);
  }

  /** The service `steps` rows away, kept within the list. */
  neighbour(id: string, steps: number): string | undefined {
    const at = this.visible.indexOf(id);
    const last = this.visible.length - 1;
    return this.visible[Math.min(last, Math.max(0, at + steps))];
  }

  /** Makes sure a service asked for from outside isn't filtered away. */
  reveal(id: string): void {
    if (!this.visible.includes(id)) this.filter = "";
    this.active = id;
  }

  #build(): ListItem[] {
    const byProject = new Map<string, string[]>();
    for (const id of this.visible) {
      const name = projectOf(id);
      const ids = byProject.get(name);
      if (ids) ids.push(id);
      else byProject.set(name, [id]);
    }
    const filtered = this.filter.trim() !== "";
    const known = new Map(this.#dashboard.projects.map((project) => [project.name, project]));
    const names = new Set([...known.keys(), ...byProject.keys()]);
    const items: ListItem[] = [];
    for (const name of names) {
      const ids = byProject.get(name) ?? [];
      if (filtered && ids.length === 0) continue;
      const project = known.get(name) ?? { name, folder: "", error: null };
      items.push({ kind: "project", key: `project ${name}`, project, ids });
      for (const id of ids) items.push({ kind: "service", key: id, id });
    }
    return items;
  }
}
