import type { DashboardChange } from "../bindings/DashboardChange";
import type { DashboardView } from "../bindings/DashboardView";
import type { ServiceRow } from "../bindings/ServiceRow";
import type { CommandProblem } from "./backend";

export const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The picture that a made-up host has, and how that changes. */
export class MockBase {
  view: DashboardView;
  /** Commands as they came, for tests. */
  readonly calls: string[] = [];
  /** What commands fail with, by their first word. */
  readonly failures = new Map<string, CommandProblem>();
  protected readonly delay: number;
  #listener: ((change: DashboardChange) => void) | undefined;

  constructor(view: DashboardView, delay = 700) {
    this.view = view;
    this.delay = delay;
  }

  subscribe(onChange: (change: DashboardChange) => void) {
    this.#listener = onChange;
    return Promise.resolve({ view: this.view, unsubscribe: () => (this.#listener = undefined) });
  }

  /** Publishes changed rows as the host would. */
  change(rows: ServiceRow[], over: Partial<DashboardChange> = {}): void {
    const seq = this.view.seq + 1;
    const byId = new Map(rows.map((row) => [row.id, row]));
    const services = this.view.services.map((row) => byId.get(row.id) ?? row);
    this.view = { ...this.view, seq, services };
    const same = { order: null, engines: null, projects: null, notices: null };
    this.#listener?.({ seq, services: rows, ...same, ...over });
  }

  /** Publishes rows that came, went or moved. */
  arrange(services: ServiceRow[], projects = this.view.projects): void {
    const known = new Set(this.view.services.map(({ id }) => id));
    this.view = { ...this.view, services, projects };
    const order = services.map(({ id }) => id);
    const added = services.filter(({ id }) => !known.has(id));
    this.change(added, { order, projects });
  }

  /** Notes a command, takes its time, and fails as a test wants it. */
  protected async asked(call: string, share = 0.5): Promise<void> {
    this.calls.push(call);
    await wait(this.delay * share);
    const failure = this.failures.get(call.split(" ")[0] ?? "");
    if (failure) throw failure;
  }

  protected async move(id: string, on: boolean): Promise<void> {
    this.patch(id, {
      state: on ? "starting" : "stopping",
      state_text: on ? "starting" : "stopping",
      tone: "busy",
      on: !on,
      turns_on: !on,
      health: "none",
      health_text: null,
      error: null,
      last_line: null,
      crash_looping: false,
      gave_up: false,
    });
    await wait(this.delay);
    this.patch(id, {
      state: on ? "running" : "stopped",
      state_text: on ? "running" : "stopped",
      tone: on ? "good" : "neutral",
      on,
      turns_on: !on,
      outdated: false,
      restarts: 0,
    });
  }

  protected patch(id: string, over: Partial<ServiceRow>): void {
    const row = this.row(id);
    if (!row) return;
    const moved = over.state === undefined ? {} : { since: new Date().toISOString() };
    this.change([{ ...row, ...moved, ...over }]);
  }

  protected row(id: string): ServiceRow | undefined {
    return this.view.services.find((service) => service.id === id);
  }
}
