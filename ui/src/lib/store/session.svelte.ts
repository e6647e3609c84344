import { createContext } from "svelte";
import type { Backend, Close, MuteFor, NewService } from "../backend/backend";
import type { Choice } from "../bindings/Choice";
import { Catalog } from "./catalog.svelte";
import { Clock } from "./clock.svelte";
import { Dashboard } from "./dashboard.svelte";
import { count } from "./format";
import { ServiceListModel } from "./list.svelte";
import { Problems } from "./problems.svelte";

/** What the panel shows of a service; all but the log only of one from the catalog. */
export type Tab = "logs" | "connect" | "snapshots";

/** Everything one window holds, and the only place that sends commands. */
export class Session {
  readonly dashboard = new Dashboard();
  readonly list = new ServiceListModel(this.dashboard);
  readonly problems = new Problems();
  readonly clock = new Clock();
  readonly catalog: Catalog;
  /** The service whose panel is open. */
  panelOf = $state<string | null>(null);
  /** What a person last wanted to see there. */
  tab = $state<Tab>("logs");
  /** The service whose menu is open, and the button that opened it. */
  menuOf = $state.raw<{ id: string; anchor: HTMLElement } | null>(null);
  /** The service for which the dialog to move it is open. */
  moving = $state<string | null>(null);
  /** The service for which the dialog to remove it is open. */
  removing = $state<string | null>(null);
  /** The dialog to add a service is open: for which project, and what opened it. */
  adding = $state.raw<{ project: string | null; opener: HTMLElement } | null>(null);
  /** A row to scroll to and focus, once it is there. */
  focusRequest = $state.raw<{ id: string } | null>(null);

  /** A service that was just made and that the host has not shown yet. */
  #awaited: string | null = null;

  constructor(readonly backend: Backend) {
    this.catalog = new Catalog(backend);
  }

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
    if (logs) this.openPanel(id, "logs");
    this.focusRequest = { id };
  }

  openPanel(id: string, tab?: Tab): void {
    this.list.active = id;
    this.panelOf = id;
    if (tab) this.tab = tab;
  }

  closePanel(): void {
    const id = this.panelOf;
    this.panelOf = null;
    this.tab = "logs";
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

  /** Makes a service and goes to its row; rejects when it can't be made. */
  async add(service: NewService): Promise<void> {
    this.#awaited = await this.backend.addService(service);
    this.#greet();
  }

  async choose(id: string, choice: Choice): Promise<void> {
    const entry = this.dashboard.entry(id);
    await entry?.wayOut.take(choice, () => this.backend.choose(id, choice));
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
    const { view, unsubscribe } = await this.backend.subscribe((change) => {
      this.dashboard.apply(change);
      this.#greet();
    });
    this.dashboard.load(view);
    return unsubscribe;
  }

  /** Goes to the row of a service that was just made, once it is there. */
  #greet(): void {
    if (this.#awaited === null || !this.dashboard.entry(this.#awaited)) return;
    this.show(this.#awaited, false);
    this.#awaited = null;
  }
}

export const [getSession, setSession] = createContext<Session>();
