import { Channel, invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { DashboardChange } from "../bindings/DashboardChange";
import type { DashboardView } from "../bindings/DashboardView";
import type { LogBatch } from "../bindings/LogBatch";
import type { ShowService } from "../bindings/ShowService";
import type { StatsView } from "../bindings/StatsView";
import { isWebLink, type Backend, type Close } from "./backend";

async function openStream<T>(
  name: "logs" | "stats",
  args: Record<string, unknown>,
  onMessage: (message: T) => void,
): Promise<Close> {
  let open = true;
  const channel = new Channel<T>((message) => {
    if (open) onMessage(message);
  });
  const id = await invoke<number>(`${name}_open`, { ...args, channel });
  return () => {
    open = false;
    // The host closes a stream by itself when its window goes away, so a failure here leaves nothing behind.
    invoke(`${name}_close`, { id }).catch(() => undefined);
  };
}

/** The host behind Tauri's commands. */
export const tauriBackend: Backend = {
  async subscribe(onChange) {
    let open = true;
    const channel = new Channel<DashboardChange>((change) => {
      if (open) onChange(change);
    });
    const view = await invoke<DashboardView>("dashboard_subscribe", { channel });
    return { view, unsubscribe: () => (open = false) };
  },
  setServices: (ids, on) => invoke("set_services", { ids, on }),
  restartServices: (ids) => invoke("restart_services", { ids }),
  muteService: (id, mute) => invoke("mute_service", { id, mute }),
  moveService: (id, engine) => invoke("move_service", { id, engine }),
  setDefaultEngine: (engine) => invoke("set_default_engine", { engine }),
  openLogs: (service, onBatch) => openStream<LogBatch>("logs", { service, tail: 1000 }, onBatch),
  openStats: (onStats) => openStream<StatsView>("stats", {}, onStats),
  async openUrl(url) {
    if (!isWebLink(url)) throw new Error(`Only web links can be opened, and this is none: ${url}`);
    await invoke("open_url", { url });
  },
  async copyText(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // The web view may refuse its clipboard API; the host can always write.
      await invoke("copy_text", { text });
    }
  },
  addProject: (folder) => invoke("add_project", { folder }),
  catalog: () => invoke("catalog"),
  addService: (service) => invoke("add_service", service),
  removeService: (service) => invoke("remove_service", { service }),
  choose: (service, choice) => invoke("choose", { service, choice }),
  connection: (service) => invoke("connection", { service }),
  snapshots: (service) => invoke("snapshots", { service }),
  saveSnapshot: (service, name) => invoke("save_snapshot", { service, name }),
  restoreSnapshot: (service, name) => invoke("restore_snapshot", { service, name }),
  removeSnapshot: (service, name) => invoke("remove_snapshot", { service, name }),
  trash: () => invoke("trash"),
  restoreTrash: (id) => invoke("restore_trash", { id }),
  emptyTrash: (id) => invoke("empty_trash", { id }),
  quit: () => invoke("quit"),
  onShowService: (show) => listen<ShowService>("show-service", (event) => show(event.payload)),
};
