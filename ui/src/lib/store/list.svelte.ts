import type { ProjectRow } from "../bindings/ProjectRow";
import type { Dashboard } from "./dashboard.svelte";
import { Folds } from "./folds.svelte";

/** A project, or containers that locald did not make, with the services of it that match the filter. */
export type Group = { key: string; project: ProjectRow; ids: readonly string[]; folded: boolean };

/** What stands on one line of the list. */
export type ListItem =
  { kind: "group"; key: string; group: Group } | { kind: "service"; key: string; id: string };

/** Larger groups of containers that are none of locald's would push its own services out of sight. */
const UNFOLDED_LIMIT = 8;

function projectOf(id: string): string {
  return id.slice(0, id.indexOf("/"));
}

function keyOf(name: string, external: boolean): string {
  return `${external ? "external" : "project"} ${name}`;
}

/** What the list shows, and where the keyboard is in it. */
export class ServiceListModel {
  filter = $state("");
  active = $state<string | null>(null);

  readonly #dashboard: Dashboard;
  readonly #folds = new Folds();

  constructor(dashboard: Dashboard) {
    this.#dashboard = dashboard;
  }

  readonly filtered = $derived(this.filter.trim() !== "");

  readonly #matching = $derived.by(() => {
    const words = this.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const { order } = this.#dashboard;
    if (words.length === 0) return order;
    return order.filter((id) => {
      const view = this.#dashboard.entry(id)?.view;
      const { origin = "", engine = "", state_text = "", health = "" } = view ?? {};
      const text = `${id} ${origin} ${engine} ${state_text} ${health}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  });

  readonly #groups = $derived.by(() => this.#group());

  readonly items = $derived.by(() => {
    const items: ListItem[] = [];
    for (const group of this.#groups) {
      items.push({ kind: "group", key: group.key, group });
      if (group.folded) continue;
      for (const id of group.ids) items.push({ kind: "service", key: id, id });
    }
    return items;
  });

  /** The services that are shown, from top to bottom. */
  readonly visible = $derived(
    this.#groups.flatMap((group) => (group.folded ? [] : [...group.ids])),
  );

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

  fold(group: Group, folded: boolean): void {
    this.#folds.set(group.key, folded);
  }

  /** Makes sure a service asked for from outside is neither filtered nor folded away. */
  reveal(id: string): void {
    if (!this.#matching.includes(id)) this.filter = "";
    const group = this.#groups.find(({ ids }) => ids.includes(id));
    if (group?.folded) this.fold(group, false);
    this.active = id;
  }

  #group(): Group[] {
    const { projects } = this.#dashboard;
    const groups = new Map<string, { project: ProjectRow; ids: string[] }>();
    for (const project of projects) {
      groups.set(keyOf(project.name, project.external), { project, ids: [] });
    }
    for (const id of this.#matching) {
      const name = projectOf(id);
      // A compose project may be called as a project of locald is; the two stay apart.
      const external = this.#dashboard.entry(id)?.external === true;
      const key = keyOf(name, external);
      const group = groups.get(key);
      if (group) group.ids.push(id);
      else groups.set(key, { project: { name, folder: "", external, error: null }, ids: [id] });
    }
    const shown = [...groups].flatMap(([key, { project, ids }]) => {
      if (ids.length === 0 && (this.filtered || project.external)) return [];
      const large = project.external && ids.length > UNFOLDED_LIMIT;
      // What a search found is never hidden.
      const folded = !this.filtered && this.#folds.isFolded(key, large);
      return [{ key, project, ids, folded }];
    });
    const own = shown.filter(({ project }) => !project.external);
    return [...own, ...shown.filter(({ project }) => project.external)];
  }
}
