import { cleanup, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { open, violations } from "../../test/open";
import { docker, podman, refusing } from "../backend/mock-engines";
import { group, running, service } from "../backend/mock-rows";
import { stateWords } from "./state";

const row = (id: string) => within(screen.getByRole("row", { name: id }));
const more = (id: string) => screen.getByRole("button", { name: `More for ${id}` });
const item = (name: string) => screen.getByRole("menuitem", { name });

async function openMenu(id: string, engines = [docker]) {
  const opened = await open();
  opened.host.change([], { engines });
  more(id).focus();
  await opened.user.keyboard("{Enter}");
  await screen.findByRole("menu");
  return opened;
}

beforeEach(() => localStorage.clear());
afterEach(cleanup);

describe("the state", () => {
  it("sets crash-looping and giving up apart, and tells restarts once", async () => {
    const { host } = await open();
    const looping = {
      crash_looping: true,
      state: "backing_off",
      state_text: "crash-looping: exited with code 3, 12 restarts",
      tone: "bad",
      restarts: 12,
    } as const;
    host.change([
      service("shop/db", looping),
      running("shop/cache", { crash_looping: true, tone: "warning", restarts: 13 }),
    ]);
    expect(await row("shop/db").findByText("Crash-looping")).toBeTruthy();
    expect(row("shop/db").getAllByText(/12 restarts/)).toHaveLength(1);
    expect(row("shop/cache").getByText("Crash-looping")).toBeTruthy();
    expect(row("shop/cache").getByText("13 restarts")).toBeTruthy();
  });

  it("is split only where the words say the same", () => {
    const gone = { crash_looping: false, gave_up: true, restarts: 5 };
    expect(stateWords({ ...gone, state_text: "gave up: finished, 5 restarts" })).toEqual({
      badge: "gave up",
      words: "finished, 5 restarts",
      tellsRestarts: true,
    });
    expect(stateWords({ ...gone, state_text: "stopped" }).words).toBe("stopped");
  });

  it("shows the engine only where there is a choice", async () => {
    const { host } = await open();
    expect(row("shop/db").queryByText(/docker/)).toBeNull();
    host.change([], { engines: [docker, podman] });
    expect(await row("shop/db").findByText("docker")).toBeTruthy();
  });
});

describe("the menu of a row", () => {
  it("mutes by keyboard and marks the row", async () => {
    const { host, user } = await openMenu("shop/db");
    await waitFor(() => expect(document.activeElement).toBe(item("Mute for an hour")));
    expect(await violations()).toEqual([]);
    await user.keyboard("{Enter}");
    expect(host.calls).toEqual(["mute shop/db hour"]);
    expect(await row("shop/db").findByRole("img", { name: /^Muted until / })).toBeTruthy();
    await waitFor(() => expect(document.activeElement).toBe(more("shop/db")));
  });

  it("unmutes what is muted", async () => {
    const { host, user } = await openMenu("shop/db");
    await user.click(item("Mute for good"));
    await row("shop/db").findByRole("img", { name: "Muted for good" });
    await user.click(more("shop/db"));
    await screen.findByRole("menu");
    expect(screen.queryByRole("menuitem", { name: "Mute for good" })).toBeNull();
    await user.click(item("Unmute"));
    expect(host.calls.at(-1)).toBe("mute shop/db nothing");
    await waitFor(() => expect(row("shop/db").queryByRole("img")).toBeNull());
  });

  it("opens neither logs nor moves where nothing can be moved", async () => {
    const { user } = await openMenu("shop/db");
    expect(screen.queryByRole("menuitem", { name: /Move/ })).toBeNull();
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("menu")).toBeNull());
    expect(screen.queryByRole("region", { name: /Logs/ })).toBeNull();
  });
});

describe("moving a service", () => {
  const engines = [docker, podman, refusing({ ...podman, id: "podman-root" })];

  it("asks first, says what stays behind, and gives the focus back", async () => {
    const { host, user } = await openMenu("shop/db", engines);
    await user.click(item("Move to another engine…"));
    const dialog = await screen.findByRole("dialog", { name: "Move shop/db" });
    expect(dialog.textContent).toMatch(/stopped on Docker.*volumes – stays there/s);
    await waitFor(() => expect(dialog.contains(document.activeElement)).toBe(true));
    expect(await violations()).toEqual([]);
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await waitFor(() =>
      expect(document.activeElement).toBe(screen.getByRole("row", { name: "shop/db" })),
    );
    expect(host.calls).toEqual([]);
  });

  it("goes to the chosen engine", async () => {
    const { host, user } = await openMenu("shop/db", engines);
    await user.click(item("Move to another engine…"));
    const dialog = within(await screen.findByRole("dialog", { name: "Move shop/db" }));
    expect(dialog.getAllByRole("radio")).toHaveLength(2);
    await user.click(dialog.getByRole("radio", { name: /podman-root/ }));
    await user.click(dialog.getByRole("button", { name: "Move to podman-root" }));
    expect(host.calls).toEqual(["move shop/db podman-root"]);
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  it("is offered where the file names another engine", async () => {
    const { host, user } = await open();
    const error = { code: "engine_differs", message: "Its data is on docker", hint: null } as const;
    host.change([running("shop/db", { error, tone: "warning" })], { engines });
    await user.click(await screen.findByRole("button", { name: "Move shop/db to another engine" }));
    expect(await screen.findByRole("dialog", { name: "Move shop/db" })).toBeTruthy();
  });
});

describe("containers that locald did not make", () => {
  it("have toggles and logs, and nothing that acts on all of them", async () => {
    const { host, user } = await open();
    const other = running("web/api", { external: true });
    host.view = { ...host.view, services: [...host.view.services, other] };
    const order = host.view.services.map(({ id }) => id);
    const projects = [...host.view.projects, group("web")];
    host.change([other], { order, projects, engines: [docker, podman] });
    await user.click(await screen.findByRole("switch", { name: "web/api" }));
    expect(host.calls.at(-1)).toBe("stop web/api");
    const head = within(screen.getByRole("row", { name: "web, not managed by locald" }));
    expect(head.queryByRole("button", { name: /^(Start|Stop)/ })).toBeNull();
    await user.click(head.getByRole("button", { name: "web" }));
    await waitFor(() => expect(screen.queryByRole("row", { name: "web/api" })).toBeNull());
    await user.click(head.getByRole("button", { name: "web", expanded: false }));
    await user.click(await screen.findByRole("button", { name: "More for web/api" }));
    await screen.findByRole("menu");
    expect(screen.queryByRole("menuitem", { name: /Move/ })).toBeNull();
  });
});
