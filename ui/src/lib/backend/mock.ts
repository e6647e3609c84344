import type { ServiceRow } from "../bindings/ServiceRow";
import type { ShowService } from "../bindings/ShowService";
import type { StatsView } from "../bindings/StatsView";
import type { Backend, Close, MuteFor } from "./backend";
import { wait } from "./mock-base";
import { isKind, mockView } from "./mock-data";
import { streamLogs } from "./mock-logs";
import { MockManaged } from "./mock-managed";

const HOUR = 3_600_000;

/** A host that exists only in this page. `delay` stretches what takes time on a real engine. */
export class MockHost extends MockManaged implements Backend {
  /** Asks the window for a service, as the tray does. */
  show: (request: ShowService) => void = () => undefined;

  async setServices(ids: string[], on: boolean): Promise<void> {
    this.calls.push(`${on ? "start" : "stop"} ${ids.join(" ")}`);
    await wait(this.delay / 4);
    const refused = this.view.engines.every((engine) => engine.state === "offline");
    if (refused) {
      throw { code: "no_engine", message: "No engine is online", hint: "Start Docker or Podman" };
    }
    for (const id of ids) void this.move(id, on);
  }

  async restartServices(ids: string[]): Promise<void> {
    this.calls.push(`restart ${ids.join(" ")}`);
    await wait(this.delay / 4);
    for (const id of ids) void this.move(id, false).then(() => this.move(id, true));
  }

  muteService(id: string, mute: MuteFor): Promise<void> {
    this.calls.push(`mute ${id} ${mute}`);
    const muted: Record<MuteFor, ServiceRow["muted"]> = {
      nothing: null,
      hour: { until: new Date(Date.now() + HOUR).toISOString() },
      good: "for_good",
    };
    this.patch(id, { muted: muted[mute] });
    return Promise.resolve();
  }

  async moveService(id: string, engine: string): Promise<void> {
    this.calls.push(`move ${id} ${engine}`);
    const on = this.row(id)?.on === true;
    if (on) await this.move(id, false);
    this.patch(id, { engine, error: null });
    if (on) void this.move(id, true);
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
    await wait(this.delay);
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

/** `fail` names commands that are to fail: `?mock=managed&fail=add,choose`. */
export function createMock(query: URLSearchParams): MockHost {
  const kind = query.get("mock") ?? "";
  const host = new MockHost(mockView(isKind(kind) ? kind : "all"));
  for (const command of query.get("fail")?.split(",") ?? []) {
    host.failures.set(command, {
      code: "disk_full",
      message: "There is no room left in /home/anna/.local/share/locald",
      hint: "Empty the trash, or make room on that disk",
    });
  }
  return host;
}
