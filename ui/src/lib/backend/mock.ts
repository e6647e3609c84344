import type { DashboardChange } from "../bindings/DashboardChange";
import type { DashboardView } from "../bindings/DashboardView";
import type { ServiceRow } from "../bindings/ServiceRow";
import type { ShowService } from "../bindings/ShowService";
import type { StatsView } from "../bindings/StatsView";
import type { Backend, Close, MuteFor } from "./backend";
import { mockView, type MockKind } from "./mock-data";
import { streamLogs } from "./mock-logs";

const KINDS: readonly string[] = ["all", "normal", "empty", "many", "offline", "external"];

function isKind(kind: string): kind is MockKind {
  return KINDS.includes(kind);
}

const HOUR = 3_600_000;

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A host that exists only in this page. `delay` stretches what takes time on a real engine. */
export class MockHost implements Backend {
  view: DashboardView;
  /** Commands as they came, for tests. */
  readonly calls: string[] = [];
  /** Asks the window for a service, as the tray does. */
  show: (request: ShowService) => void = () => undefined;
  readonly #delay: number;
  #listener: ((change: DashboardChange) => void) | undefined;

  constructor(view: DashboardView, delay = 700) {
    this.view = view;
    this.#delay = delay;
  }

  subscribe(onChange: (change: DashboardChange) => void) {
    this.#listener = onChange;
    return Promise.resolve({ view: this.view, unsubscribe: () => (this.#listener = undefined) });
  }

  async setServices(ids: string[], on: boolean): Promise<void> {
    this.calls.push(`${on ? "start" : "stop"} ${ids.join(" ")}`);
    await wait(this.#delay / 4);
    const refused = this.view.engines.every((engine) => engine.state === "offline");
    if (refused) {
      throw { code: "no_engine", message: "No engine is online", hint: "Start Docker or Podman" };
    }
    for (const id of ids) void this.#move(id, on);
  }

  async restartServices(ids: string[]): Promise<void> {
    this.calls.push(`restart ${ids.join(" ")}`);
    await wait(this.#delay / 4);
    for (const id of ids) void this.#move(id, false).then(() => this.#move(id, true));
  }

  muteService(id: string, mute: MuteFor): Promise<void> {
    this.calls.push(`mute ${id} ${mute}`);
    const muted: Record<MuteFor, ServiceRow["muted"]> = {
      nothing: null,
      hour: { until: new Date(Date.now() + HOUR).toISOString() },
      good: "for_good",
    };
    this.#patch(id, { muted: muted[mute] });
    return Promise.resolve();
  }

  async moveService(id: string, engine: string): Promise<void> {
    this.calls.push(`move ${id} ${engine}`);
    const on = this.#row(id)?.on === true;
    if (on) await this.#move(id, false);
    this.#patch(id, { engine, error: null });
    if (on) void this.#move(id, true);
  }

  setDefaultEngine(engine: string): Promise<void> {
    this.calls.push(`default ${engine}`);
    const engines = this.view.engines.map((row) => ({ ...row, is_default: row.id === engine }));
    this.view = { ...this.view, engines };
    this.change([], { engines });
    return Promise.resolve();
  }

  openLogs(service: string, onBatch: Parameters<Backend["openLogs"]>[1]) {
    this.calls.push(`logs ${service}`);
    return Promise.resolve(streamLogs(onBatch, service.endsWith("cache")));
  }

  openStats(onStats: (stats: StatsView) => void) {
    const tell = () => {
      for (const { id, on } of this.view.services.filter((row) => row.state === "running")) {
        if (on) onStats(sampleStats(id));
      }
    };
    tell();
    const timer = setInterval(tell, 3000);
    return Promise.resolve(() => clearInterval(timer));
  }

  openUrl(url: string): Promise<void> {
    this.calls.push(`open ${url}`);
    window.open(url, "_blank", "noopener");
    return Promise.resolve();
  }

  copyText(text: string): Promise<void> {
    this.calls.push(`copy ${text}`);
    return navigator.clipboard.writeText(text);
  }

  async addProject(folder: string): Promise<void> {
    await wait(this.#delay);
    throw {
      code: "config_missing",
      message: `There is no locald.toml in ${folder}`,
      hint: "Check the path, or make that file first",
    };
  }

  quit(): Promise<void> {
    this.calls.push("quit");
    return Promise.resolve();
  }

  onShowService(show: (request: ShowService) => void): Promise<Close> {
    this.show = show;
    return Promise.resolve(() => undefined);
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

  async #move(id: string, on: boolean): Promise<void> {
    this.#patch(id, {
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
    await wait(this.#delay);
    this.#patch(id, {
      state: on ? "running" : "stopped",
      state_text: on ? "running" : "stopped",
      tone: on ? "good" : "neutral",
      on,
      turns_on: !on,
      outdated: false,
      restarts: 0,
    });
  }

  #patch(id: string, over: Partial<ServiceRow>): void {
    const row = this.#row(id);
    if (!row) return;
    const moved = over.state === undefined ? {} : { since: new Date().toISOString() };
    this.change([{ ...row, ...moved, ...over }]);
  }

  #row(id: string): ServiceRow | undefined {
    return this.view.services.find((service) => service.id === id);
  }
}

function sampleStats(service: string): StatsView {
  const weight = service.length % 7;
  return {
    service,
    cpu_percent: weight * 1.7 + Math.random(),
    memory_bytes: 18_000_000 * (weight + 1) ** 2,
    memory_limit_bytes: null,
  };
}

export function createMock(kind: string): MockHost {
  return new MockHost(mockView(isKind(kind) ? kind : "all"));
}
