import type { DashboardChange } from "../bindings/DashboardChange";
import type { DashboardView } from "../bindings/DashboardView";
import type { LogBatch } from "../bindings/LogBatch";
import type { ShowService } from "../bindings/ShowService";
import type { StatsView } from "../bindings/StatsView";

/** What a failed command rejects with. */
export type CommandProblem = { code: string; message: string; hint: string | null };

/** For how long nothing is to be told of a service. */
export type MuteFor = "nothing" | "hour" | "good";

/** Ends a stream. */
export type Close = () => void;

/** Everything the window can ask of the host. */
export interface Backend {
  /** Subscribes first and then asks for the whole picture, so that no change falls between the two. */
  subscribe(
    onChange: (change: DashboardChange) => void,
  ): Promise<{ view: DashboardView; unsubscribe: Close }>;
  setServices(ids: string[], on: boolean): Promise<void>;
  restartServices(ids: string[]): Promise<void>;
  muteService(id: string, mute: MuteFor): Promise<void>;
  /** It is stopped where it is; what it has there stays there. */
  moveService(id: string, engine: string): Promise<void>;
  /** The engine that new services go to. */
  setDefaultEngine(engine: string): Promise<void>;
  openLogs(service: string, onBatch: (batch: LogBatch) => void): Promise<Close>;
  openStats(onStats: (stats: StatsView) => void): Promise<Close>;
  openUrl(url: string): Promise<void>;
  copyText(text: string): Promise<void>;
  addProject(folder: string): Promise<void>;
  /** Ends the app; services stay as they are. */
  quit(): Promise<void>;
  onShowService(show: (request: ShowService) => void): Promise<Close>;
}

/** Only these may leave the window: a label or a log line must not be able to open `file:` or `javascript:`. */
export function isWebLink(url: string): boolean {
  try {
    const { protocol } = new URL(url);
    return protocol === "http:" || protocol === "https:";
  } catch {
    return false;
  }
}
