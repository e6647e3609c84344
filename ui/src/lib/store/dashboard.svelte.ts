import type { Choice } from "../bindings/Choice";
import type { DashboardChange } from "../bindings/DashboardChange";
import type { DashboardView } from "../bindings/DashboardView";
import type { EngineRow } from "../bindings/EngineRow";
import type { ProjectRow } from "../bindings/ProjectRow";
import type { ServiceRow } from "../bindings/ServiceRow";
import type { StatsView } from "../bindings/StatsView";
import { Attempt } from "./attempt.svelte";

/** The way out of its problem that a person chose. With the row, not in it: rows leave the document when scrolled away. */
export class WayOut {
  chosen = $state<Choice | null>(null);
  readonly attempt = new Attempt();

  async take(choice: Choice, command: () => Promise<void>): Promise<void> {
    if (this.attempt.busy) return;
    this.chosen = choice;
    await this.attempt.run(command);
    this.chosen = null;
  }
}

/** One service. Each has its own signals, so that a changed service renders one row. */
export class ServiceEntry {
  readonly id: string;
  view: ServiceRow = $state.raw() as ServiceRow;
  /** Apart from the view, because the order of the list hangs on it and on nothing else there. */
  external = $state(false);
  stats: StatsView | null = $state.raw(null);
  /** Commands for this service that the host has not answered yet. */
  pending = $state(0);
  readonly wayOut = new WayOut();

  constructor(view: ServiceRow) {
    this.id = view.id;
    this.show(view);
  }

  show(view: ServiceRow): void {
    this.view = view;
    this.external = view.external;
    // Why something did not help says nothing once there is nothing to help.
    if (view.error === null) this.wayOut.attempt.problem = null;
  }
}

/** The window's copy of the dashboard. */
export class Dashboard {
  order = $state.raw<readonly string[]>([]);
  engines = $state.raw<readonly EngineRow[]>([]);
  projects = $state.raw<readonly ProjectRow[]>([]);
  notices = $state.raw<readonly string[]>([]);
  loaded = $state(false);
  readonly severalEngines = $derived(this.engines.length > 1);

  // Not reactive itself: `order` changes whenever an entry comes or goes.
  readonly #entries = new Map<string, ServiceEntry>();
  #seq = -1;
  #early: DashboardChange[] = [];

  entry(id: string): ServiceEntry | undefined {
    return this.#entries.get(id);
  }

  load(view: DashboardView): void {
    this.#seq = view.seq;
    this.#put(view.services);
    this.#arrange(view.services.map((service) => service.id));
    this.engines = view.engines;
    this.projects = view.projects;
    this.notices = view.notices;
    this.loaded = true;
    const early = this.#early;
    this.#early = [];
    for (const change of early) this.apply(change);
  }

  apply(change: DashboardChange): void {
    if (!this.loaded) {
      this.#early.push(change);
      return;
    }
    if (change.seq <= this.#seq) return;
    this.#seq = change.seq;
    this.#put(change.services);
    if (change.order) this.#arrange(change.order);
    if (change.engines) this.engines = change.engines;
    if (change.projects) this.projects = change.projects;
    if (change.notices) this.notices = change.notices;
  }

  #put(services: readonly ServiceRow[]): void {
    for (const service of services) {
      const entry = this.#entries.get(service.id);
      if (entry) entry.show(service);
      else this.#entries.set(service.id, new ServiceEntry(service));
    }
  }

  #arrange(order: readonly string[]): void {
    const kept = new Set(order);
    for (const id of this.#entries.keys()) {
      if (!kept.has(id)) this.#entries.delete(id);
    }
    this.order = order.filter((id) => this.#entries.has(id));
  }
}
