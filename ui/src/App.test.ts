import { cleanup, render, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import App from "./App.svelte";
import { MockHost } from "./lib/backend/mock";
import { mockView } from "./lib/backend/mock-data";
import { running, service } from "./lib/backend/mock-rows";
import { open, violations } from "./test/open";

const row = (id: string) => screen.getByRole("row", { name: id });
const toggle = (id: string) => screen.getByRole("switch", { name: id });

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

describe("accessibility", () => {
  it.each(["all", "normal", "empty", "fresh", "managed", "many", "offline", "external"] as const)(
    "%s has no violations",
    async (kind) => {
      await open(kind);
      expect(await violations()).toEqual([]);
    },
  );

  it("the open log panel has no violations", async () => {
    const { user } = await open();
    row("shop/db").focus();
    await user.keyboard("{Enter}");
    const log = within(screen.getByRole("region", { name: "Logs of shop/db" })).getByRole("log");
    expect((await within(log).findAllByText(/listening on/)).length).toBeGreaterThan(0);
    expect(await violations()).toEqual([]);
  });
});

describe("rows", () => {
  it("count all rows, though only some are in the document", async () => {
    await open("many");
    const grid = screen.getByRole("grid", { name: "Services" });
    expect(grid.getAttribute("aria-rowcount")).toBe("205");
    expect(within(grid).getAllByRole("row").length).toBeLessThan(60);
    expect(row("team-1/service-001").getAttribute("aria-rowindex")).toBe("2");
  });

  it("tell state, health, ports and errors in words", async () => {
    await open("all");
    const api = within(row("shop/api"));
    expect(api.getByText("Running")).toBeTruthy();
    expect(api.getByText(/Unhealthy · 2 restarts/)).toBeTruthy();
    expect(api.getByText(/answered 503/)).toBeTruthy();
    expect(api.getByRole("link", { name: "8080 → 80" }).getAttribute("href")).toBe(
      "http://127.0.0.1:8080",
    );
    expect(
      within(row("shop/web")).getByRole("button", { name: /^Restart shop\/web to apply/ }),
    ).toBeTruthy();
  });

  it("open ports through the backend and never navigate", async () => {
    const { host, user } = await open();
    vi.spyOn(window, "open").mockReturnValue(null);
    await user.click(within(row("shop/db")).getByRole("link", { name: "5432" }));
    expect(host.calls).toEqual(["open http://127.0.0.1:5432"]);
  });

  it("show names and last lines as text", async () => {
    const { host } = await open();
    const last_line = '\u001b[31m<img src=x onerror="document.title=1">';
    const origin = "<b>image</b>";
    host.change([service("shop/mail", { state: "exited", tone: "bad", last_line, origin })]);
    expect(await screen.findByText(/<img src=x/)).toBeTruthy();
    expect(screen.getByText("<b>image</b>")).toBeTruthy();
    expect(document.querySelector("img, b")).toBeNull();
    expect(document.title).toBe("locald");
  });
});

describe("the switch", () => {
  it("shows what the host says and is busy meanwhile", async () => {
    const { host, user } = await open();
    let answer: () => void = () => undefined;
    vi.spyOn(host, "setServices").mockReturnValue(new Promise((resolve) => (answer = resolve)));
    await user.click(toggle("shop/mail"));
    expect(toggle("shop/mail").getAttribute("aria-checked")).toBe("false");
    expect(toggle("shop/mail").getAttribute("aria-busy")).toBe("true");
    await user.click(toggle("shop/mail"));
    expect(host.setServices).toHaveBeenCalledExactlyOnceWith(["shop/mail"], true);

    host.change([running("shop/mail")]);
    answer();
    await waitFor(() => expect(toggle("shop/mail").getAttribute("aria-busy")).toBe("false"));
    expect(toggle("shop/mail").getAttribute("aria-checked")).toBe("true");
  });

  it("calls off what is on its way up", async () => {
    const { host, user } = await open();
    const waiting = { state: "waiting", on: false, turns_on: false } as const;
    host.change([service("shop/mail", waiting)]);
    await waitFor(() => expect(toggle("shop/mail").getAttribute("aria-busy")).toBe("true"));
    await user.click(toggle("shop/mail"));
    expect(host.calls.at(-1)).toBe("stop shop/mail");
  });

  it("says why a command failed until that is dismissed", async () => {
    const { user } = await open("offline");
    await user.click(toggle("shop/mail"));
    const alert = await screen.findByText(/Could not start shop\/mail: No engine is online/);
    expect(alert.closest("[role=alert]")?.textContent).toContain("Start Docker or Podman");
    expect(toggle("shop/mail").getAttribute("aria-checked")).toBe("false");
    await user.click(screen.getByRole("button", { name: "Dismiss" }));
    expect(screen.queryByText(/Could not start/)).toBeNull();
  });

  it("all of a project at once, or what a filter shows of it", async () => {
    const { host, user } = await open();
    await user.click(screen.getByRole("button", { name: "Stop all of shop" }));
    expect(host.calls.at(-1)).toBe("stop shop/db shop/cache shop/api shop/web shop/mail");
    await user.type(screen.getByRole("textbox", { name: /Filter/ }), "nginx");
    await user.click(await screen.findByRole("button", { name: "Start 1 shown of shop" }));
    expect(host.calls.at(-1)).toBe("start shop/web");
  });
});

describe("the keyboard", () => {
  it("moves between rows, toggles, opens and closes logs", async () => {
    const { host, user } = await open();
    row("shop/db").focus();
    await user.keyboard("{ArrowDown}{ArrowDown}");
    await waitFor(() => expect(document.activeElement).toBe(row("shop/api")));
    await user.keyboard(" ");
    expect(host.calls).toContain("stop shop/api");
    await user.keyboard("{Enter}");
    expect(await screen.findByRole("region", { name: "Logs of shop/api" })).toBeTruthy();
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("region", { name: /Logs/ })).toBeNull());
    await waitFor(() => expect(document.activeElement).toBe(row("shop/api")));
    await user.keyboard("{Home}");
    await waitFor(() => expect(document.activeElement).toBe(row("shop/db")));
  });

  it("enters only the chosen row with Tab", async () => {
    const { user } = await open();
    row("shop/cache").focus();
    await user.tab();
    expect(document.activeElement).toBe(toggle("shop/cache"));
    expect(row("shop/db").tabIndex).toBe(-1);
    expect(toggle("shop/db").tabIndex).toBe(-1);
  });

  it("reaches the filter with a slash, and the list from there", async () => {
    const { user } = await open();
    await user.keyboard("/");
    const filter = screen.getByRole("textbox", { name: /Filter/ });
    expect(document.activeElement).toBe(filter);
    await user.keyboard("mail{ArrowDown}");
    await waitFor(() => expect(document.activeElement).toBe(row("shop/mail")));
    expect(screen.queryByRole("row", { name: "shop/db" })).toBeNull();
    await user.keyboard("/{Escape}");
    expect(await screen.findByRole("row", { name: "shop/db" })).toBeTruthy();
  });
});

describe("the window", () => {
  it("shows a service when the tray asks for it", async () => {
    const { host } = await open();
    host.show({ service: "shop/web", logs: true });
    expect(await screen.findByRole("region", { name: "Logs of shop/web" })).toBeTruthy();
    await waitFor(() => expect(document.activeElement).toBe(row("shop/web")));
  });

  it("says why it can't connect", async () => {
    const host = new MockHost(mockView("normal"), 0);
    host.subscribe = () => Promise.reject(new Error("the host is gone"));
    render(App, { backend: host });
    expect(await screen.findByText(/can't be shown: the host is gone/)).toBeTruthy();
  });

  it("tells what is wrong with a folder to add", async () => {
    const { user } = await open("empty");
    await user.type(screen.getByRole("textbox", { name: /Folder/ }), "/nowhere{Enter}");
    expect(await screen.findByText("There is no locald.toml in /nowhere")).toBeTruthy();
  });
});
