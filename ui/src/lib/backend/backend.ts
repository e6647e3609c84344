import type { DashboardChange } from "../bindings/DashboardChange";
import type { DashboardView } from "../bindings/DashboardView";

/** One line of a service's output. */
export type LogLineView = {
  at: string | null;
  stream: "stdout" | "stderr";
  text: string;
  cut_bytes: number;
};

/** What arrived since the last batch. */
export type LogBatch = {
  lines: LogLineView[];
  /** Lines the host left out because the window was too slow. */
  dropped: number;
  /** Why the stream is over, once it is. */
  ended: string | null;
  /** Did the service start again before these lines? */
  restarted: boolean;
};

/** What a service uses at the moment. */
export type ServiceStats = {
  service: string;
  cpu_percent: number | null;
  memory_bytes: number | null;
  memory_limit_bytes: number | null;
};

/** Asks the window to show a service. */
export type ShowService = { service: string; logs: boolean };

/** What a failed command rejects with. */
export type CommandProblem = { code: string; message: string; hint: string | null };

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
  openLogs(service: string, onBatch: (batch: LogBatch) => void): Promise<Close>;
  openStats(onStats: (stats: ServiceStats) => void): Promise<Close>;
  openUrl(url: string): Promise<void>;
  copyText(text: string): Promise<void>;
  addProject(folder: string): Promise<void>;
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
