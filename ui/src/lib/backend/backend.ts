import type { CatalogItem } from "../bindings/CatalogItem";
import type { Choice } from "../bindings/Choice";
import type { ConnectionView } from "../bindings/ConnectionView";
import type { DashboardChange } from "../bindings/DashboardChange";
import type { DashboardView } from "../bindings/DashboardView";
import type { LogBatch } from "../bindings/LogBatch";
import type { SavedSnapshot } from "../bindings/SavedSnapshot";
import type { ShowService } from "../bindings/ShowService";
import type { StatsView } from "../bindings/StatsView";
import type { TrashItem } from "../bindings/TrashItem";

/** What a failed command rejects with. */
export type CommandProblem = { code: string; message: string; hint: string | null };

/** For how long nothing is to be told of a service. */
export type MuteFor = "nothing" | "hour" | "good";

/** A service to make from the catalog. */
export type NewService = {
  /** `null` for the personal project. */
  project: string | null;
  /** Which entry of the catalog. */
  entry: string;
  /** `null` leaves it to locald. */
  version: string | null;
  /** `null` for the entry's name, or that with a number. */
  name: string | null;
};

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
  /** It is stopped where it is. The data of a managed service is copied, and the old copy goes to the trash. */
  moveService(id: string, engine: string): Promise<void>;
  /** The engine that new services go to. */
  setDefaultEngine(engine: string): Promise<void>;
  openLogs(service: string, onBatch: (batch: LogBatch) => void): Promise<Close>;
  openStats(onStats: (stats: StatsView) => void): Promise<Close>;
  openUrl(url: string): Promise<void>;
  copyText(text: string): Promise<void>;
  addProject(folder: string): Promise<void>;
  /** What services can be made from. */
  catalog(): Promise<CatalogItem[]>;
  /** Makes a service and starts it; answers with its id. */
  addService(service: NewService): Promise<string>;
  /** Its data goes to the trash. */
  removeService(service: string): Promise<void>;
  /** Takes a way out of the problem that a service shows. */
  choose(service: string, choice: Choice): Promise<void>;
  /** How programs connect to a service. */
  connection(service: string): Promise<ConnectionView>;
  snapshots(service: string): Promise<SavedSnapshot[]>;
  /** The service is stopped meanwhile; without a name it is called by the time. */
  saveSnapshot(service: string, name: string | null): Promise<SavedSnapshot>;
  /** What it replaces goes to the trash. */
  restoreSnapshot(service: string, name: string): Promise<void>;
  removeSnapshot(service: string, name: string): Promise<void>;
  trash(): Promise<TrashItem[]>;
  /** What is in its place goes to the trash. */
  restoreTrash(id: string): Promise<void>;
  /** Erases one, or with `null` all. */
  emptyTrash(id: string | null): Promise<void>;
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
