import { createContext } from "svelte";
import type { Backend, Close, MuteFor } from "../backend/backend";
import { Clock } from "./clock.svelte";
import { Dashboard } from "./dashboard.svelte";
import { count } from "./format";
import { ServiceListModel } from "./list.svelte";
import { Problems } from "./problems.svelte";

/** Everything one window holds, and the only place that sends commands. */
export class Session {
  readonly dashboard = new Dashboard();
  readonly list = new ServiceListModel(this.dashboard);
  readonly problems = new Problems();
  readonly clock = new Clock();
  /** The service whose log panel is open. */
  logsOf = $state<string | null>(null);
  /** The service whose menu is open, and the button that opened it. */
  menuOf = $state.raw<{ id: string; anchor: HTMLElement } | null>(null);
  /** The service for which the dialog to move it is open. */
  moving = $state<string | null>(null);
  /** A row to scroll to and focus, once it is there. */
  focusRequest = $state.raw<{ id: string } | null>(null);

  constructor(readonly backend: Backend) {}

  /** Connects until the returned function is called. */
  start(): Close {
    let open = true;
    const closers: Close[] = [this.clock.start()];
    const keep = (what: string, opening: Promise<Close>) =>
      opening.then(
        (close) => (open ? closers.push(close) : close()),
        (error: unknown) => this.problems.report(what, error),
      );
    // Listening comes first: the host answers the subscription with what it wants shown.
    const listening = this.backend.onShowService(({ service, logs }) => this.show(service, logs));
    void keep("Requests from the tray can't be heard", listening);
    const subscribed = listening.then(
      () => this.#subscribe(),
      () => this.#subscribe(),
    );
    void keep("The services can't be shown", subscribed);
    return () => {
      open = false;
      for (const close of closers) close();
    };
  }

  show(id: string, logs: boolean): void {
    this.list.reveal(id);
    if (logs) this.logsOf = id;
    this.focusRequest = { id };
  }

  openLogs(id: string): void {
    this.list.active = id;
    this.logsOf = id;
  }

  closeLogs(): void {
    const id = this.logsOf;
    this.logsOf = null;
    if (id !== null) this.focusRequest = { id };
  }

  toggle(id: string): void {
    const entry = this.dashboard.entry(id);
    // A second click while the host has not taken the first would undo what isn't visible yet.
    if (entry && entry.pending === 0) void this.switchAll([id], entry.view.turns_on);
  }

  async switchAll(ids: readonly string[], on: boolean): Promise<void> {
    await this.#command(ids, on ? "start" : "stop", () => this.backend.setServices([...ids], on));
  }

  async restart(id: string): Promise<void> {
    await this.#command([id], "restart", () => this.backend.restartServices([id]));
  }

  async mute(id: string, mute: MuteFor): Promise<void> {
    const verb = mute === "nothing" ? "unmute" : "mute";
    await this.attempt(`Could not ${verb} ${id}`, () => this.backend.muteService(id, mute));
  }

  async move(id: string, engine: string): Promise<void> {
    await this.#command([id], "move", () => this.backend.moveService(id, engine));
  }

  async setDefaultEngine(engine: string): Promise<void> {
    await this.attempt(`Could not make ${engine} the default`, () =>
      this.backend.setDefaultEngine(engine),
    );
  }

  async openUrl(url: string): Promise<void> {
    await this.attempt(`Could not open ${url}`, () => this.backend.openUrl(url));
  }

  async copy(text: string): Promise<boolean> {
    return this.attempt("Could not copy", () => this.backend.copyText(text));
  }

  async quit(): Promise<void> {
    await this.attempt("Could not quit", () => this.backend.quit());
  }

  /** Runs a command; when it fails, shows why. */
  async attempt(what: string, command: () => Promise<void>): Promise<boolean> {
    try {
      await command();
      return true;
    } catch (error) {
      this.problems.report(what, error);
      return false;
    }
  }

  async #command(ids: readonly string[], verb: string, command: () => Promise<void>) {
    const entries = ids.map((id) => this.dashboard.entry(id)).filter((entry) => !!entry);
    for (const entry of entries) entry.pending += 1;
    const subject = ids.length === 1 ? String(ids[0]) : count(ids.length, "service");
    await this.attempt(`Could not ${verb} ${subject}`, command);
    for (const entry of entries) entry.pending -= 1;
  }

  async #subscribe(): Promise<Close> {
    const { view, unsubscribe } = await this.backend.subscribe((change) =>
      this.dashboard.apply(change),
    );
    this.dashboard.load(view);
    return unsubscribe;
  }
}

export const [getSession, setSession] = createContext<Session>();
