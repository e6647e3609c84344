import { cleanup, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { MockKind } from "../backend/mock-data";
import { running, service } from "../backend/mock-rows";
import { open, violations } from "../../test/open";

const more = () => screen.getByRole("button", { name: "More" });
const item = (name: string) => screen.getByRole("menuitem", { name });

async function openMenu(kind?: MockKind) {
  const opened = await open(kind);
  more().focus();
  await opened.user.keyboard("{Enter}");
  await screen.findByRole("menu");
  await waitFor(() => expect(document.activeElement).toBe(item("Add project…")));
  return opened;
}

async function openDialog() {
  const opened = await openMenu();
  await opened.user.keyboard("{Enter}");
  const dialog = await screen.findByRole("dialog", { name: "Add project" });
  const field = within(dialog).getByRole("textbox", { name: "Folder of the project" });
  await waitFor(() => expect(document.activeElement).toBe(field));
  return { ...opened, dialog };
}

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

describe("the menu", () => {
  it("opens, moves and closes by keyboard", async () => {
    const { user } = await openMenu();
    expect(more().getAttribute("aria-expanded")).toBe("true");
    expect(await violations()).toEqual([]);
    await user.keyboard("{ArrowUp}");
    await waitFor(() => expect(document.activeElement).toBe(item("Quit locald")));
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("menu")).toBeNull());
    await waitFor(() => expect(document.activeElement).toBe(more()));
  });

  it("leaves an open log open when Escape closes it", async () => {
    const { host, user } = await open();
    host.show({ service: "shop/db", logs: true });
    await screen.findByRole("region", { name: "Logs of shop/db" });
    more().focus();
    await user.keyboard("{Enter}");
    await screen.findByRole("menu");
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("menu")).toBeNull());
    expect(screen.getByRole("region", { name: "Logs of shop/db" })).toBeTruthy();
  });

  it("quits, and says what that leaves alone", async () => {
    const { host, user } = await openMenu();
    const quit = item("Quit locald");
    const effect = document.getElementById(quit.getAttribute("aria-describedby") ?? "");
    expect(effect?.textContent).toBe("Services keep running");
    await user.keyboard("{End}{Enter}");
    expect(host.calls).toEqual(["quit"]);
  });

  it("says why it could not quit", async () => {
    const { host, user } = await openMenu();
    vi.spyOn(host, "quit").mockRejectedValue({ code: "busy", message: "It is busy", hint: null });
    await user.click(item("Quit locald"));
    expect(await screen.findByText("Could not quit: It is busy")).toBeTruthy();
  });

  it("starts what is off and stops what is on", async () => {
    const { host, user } = await openMenu();
    await user.click(item("Start all services"));
    expect(host.calls.at(-1)).toBe("start shop/mail");
    await waitFor(() => expect(host.view.services.at(-1)?.on).toBe(true));
    host.change([service("shop/web")]);
    more().focus();
    await user.keyboard("{Enter}");
    await user.click(await screen.findByRole("menuitem", { name: "Stop all services" }));
    expect(host.calls.at(-1)).toBe("stop shop/db shop/cache shop/api shop/mail");
  });

  it("offers nothing that does nothing", async () => {
    const { host, user } = await openMenu();
    const disabled = (name: string) => item(name).getAttribute("aria-disabled");
    host.change([running("shop/mail")]);
    await waitFor(() => expect(disabled("Start all services")).toBe("true"));
    await user.click(item("Start all services"));
    expect(host.calls).toEqual([]);
    host.change(host.view.services.map(({ id }) => service(id)));
    await waitFor(() => expect(disabled("Stop all services")).toBe("true"));
    expect(disabled("Start all services")).toBe("false");
  });
});

describe("the dialog to add a project", () => {
  it("keeps its keys to itself and gives the focus back", async () => {
    const { user, dialog } = await openDialog();
    expect(await violations()).toEqual([]);
    within(dialog).getByRole("button", { name: "Close" }).focus();
    await user.keyboard("/");
    expect(dialog.contains(document.activeElement)).toBe(true);
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await waitFor(() => expect(document.activeElement).toBe(more()));
  });

  it("closes once the project is added", async () => {
    const { host, user } = await openDialog();
    const add = vi.spyOn(host, "addProject").mockResolvedValue();
    await user.keyboard("  /home/anna/blog {Enter}");
    expect(add).toHaveBeenCalledExactlyOnceWith("/home/anna/blog");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  it("stays and says what is wrong", async () => {
    const { user, dialog } = await openDialog();
    await user.keyboard("{Enter}");
    expect(await within(dialog).findByText("Enter the path of a folder")).toBeTruthy();
    await user.keyboard("/nowhere{Enter}");
    const problem = await within(dialog).findByText("There is no locald.toml in /nowhere");
    expect(problem.closest("[role=alert]")).toBeTruthy();
    const field = within(dialog).getByRole("textbox");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    expect(await violations()).toEqual([]);
  });

  it("tells a failure also after it was closed", async () => {
    const { host, user } = await openDialog();
    let fail: (error: Error) => void = () => undefined;
    const answer = new Promise<void>((_, reject) => (fail = reject));
    vi.spyOn(host, "addProject").mockReturnValue(answer);
    await user.keyboard("/slow{Enter}{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    fail(new Error("it took too long"));
    expect(await screen.findByText("Could not add /slow: it took too long")).toBeTruthy();
  });
});

describe("notices", () => {
  it("stay away once dismissed, and a new one still shows", async () => {
    const { host, user } = await open();
    const [tray, bus] = ["This desktop has no tray.", "There is no session bus."];
    host.change([], { notices: [tray] });
    const shown = await screen.findByText(tray);
    expect(shown.closest("[role=status]")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Dismiss" }));
    expect(screen.queryByText(tray)).toBeNull();
    host.change([], { notices: [tray, bus] });
    expect(await screen.findByText(bus)).toBeTruthy();
    expect(screen.queryByText(tray)).toBeNull();
  });
});
