import { cleanup, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { open, violations } from "../../test/open";
import type { Choice } from "../bindings/Choice";
import { running, service } from "../backend/mock-rows";

const row = (id: string) => within(screen.getByRole("row", { name: id }));
const full = { code: "disk_full", message: "The disk is full", hint: "Make room" };

const problem = (choices: Choice[]) =>
  ({ code: "version_differs", message: "The data is of 14", hint: null, choices }) as const;

async function openStuck(choices: Choice[]) {
  const opened = await open("managed");
  opened.host.change([
    service("personal/postgres", { state: "failed", tone: "bad", error: problem(choices) }),
  ]);
  await screen.findByText("The data is of 14");
  const button = (name: string) => row("personal/postgres").getByRole("button", { name });
  return { ...opened, button };
}

async function chooseItem(id: string, name: string) {
  const opened = await open("managed");
  await opened.user.click(screen.getByRole("button", { name: `More for ${id}` }));
  await opened.user.click(await screen.findByRole("menuitem", { name }));
  return opened;
}

beforeEach(() => localStorage.clear());
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

describe("a service from the catalog", () => {
  it("shows its URL without the password and copies it with it", async () => {
    const { host, user } = await open("managed");
    vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
    const shown = row("personal/postgres").getByTitle("postgres://locald:…@127.0.0.1:5432/locald");
    expect(shown.textContent?.replace(/\s/g, "")).toBe(shown.getAttribute("title"));
    expect(document.body.textContent).not.toContain("s3cr3t");
    await user.click(
      row("personal/postgres").getByRole("button", { name: "Copy URL of personal/postgres" }),
    );
    expect(host.calls.at(-1)).toBe("copy postgres://locald:s3cr3t-9f2c71@127.0.0.1:5432/locald");
  });

  it("says which engine runs it, and why", async () => {
    await open("managed");
    const chip = row("personal/postgres").getByTitle("Native: its server is installed here");
    expect(chip.textContent?.replace(/\s+/g, " ").trim()).toBe(
      "native: its server is installed here",
    );
  });

  it("opens its console in the browser", async () => {
    const { host, user } = await open("managed");
    vi.spyOn(window, "open").mockReturnValue(null);
    await user.click(
      row("personal/rabbitmq").getByRole("link", { name: "Open the console of personal/rabbitmq" }),
    );
    expect(host.calls.at(-1)).toBe("open http://127.0.0.1:15672");
    expect(screen.queryByRole("region")).toBeNull();
  });

  it("has an icon of which nothing becomes markup", async () => {
    const { host } = await open("managed");
    await waitFor(() => expect(host.calls).toContain("catalog"));
    await waitFor(() => {
      const icon = document.querySelector<HTMLElement>("[data-service='personal/redis'] .icon");
      expect(icon?.style.getPropertyValue("mask-image")).toMatch(/^url\("data:image\/svg/);
    });
  });
});

describe("ways out of a problem", () => {
  it("are taken at once where nothing is replaced", async () => {
    const { host, user, button } = await openStuck(["keep-version", "upgrade"]);
    expect(await violations()).toEqual([]);
    await user.click(button("Keep the data's version"));
    expect(host.calls.at(-1)).toBe("choose personal/postgres keep-version");
    await waitFor(() => expect(screen.queryByText("The data is of 14")).toBeNull());
    expect(screen.queryByRole("region")).toBeNull();
  });

  it.each([
    ["upgrade", "Upgrade the data…", "Upgrade"],
    ["start-empty", "Start empty…", "Start empty"],
  ] as const)(
    "%s is asked for, and says where the old data goes",
    async (choice, label, action) => {
      const { host, user, button } = await openStuck(["keep-version", choice]);
      await user.click(button(label));
      const ask = await screen.findByRole("alertdialog", { name: action });
      expect(ask.textContent).toMatch(/old data.*trash/);
      const cancel = within(ask).getByRole("button", { name: "Cancel" });
      await waitFor(() => expect(document.activeElement).toBe(cancel));
      expect(await violations()).toEqual([]);
      await user.keyboard("{Escape}");
      await waitFor(() => expect(screen.queryByRole("alertdialog")).toBeNull());
      await waitFor(() => expect(document.activeElement).toBe(button(label)));
      await user.click(button(label));
      await user.click(await screen.findByRole("button", { name: action }));
      expect(host.calls.at(-1)).toBe(`choose personal/postgres ${choice}`);
    },
  );

  it("are busy meanwhile and say why one failed", async () => {
    const { host, user, button } = await openStuck(["other-port", "stop-holder"]);
    let fail: (why: unknown) => void = () => undefined;
    const answer = new Promise<void>((_, reject) => (fail = reject));
    const choose = vi.spyOn(host, "choose").mockReturnValue(answer);
    await user.click(button("Use another port"));
    expect(button("Use another port").getAttribute("aria-busy")).toBe("true");
    await user.click(button("Use another port"));
    await user.click(button("Stop what holds it"));
    expect(choose).toHaveBeenCalledExactlyOnceWith("personal/postgres", "other-port");
    fail(full);
    const alert = await row("personal/postgres").findByRole("alert");
    expect(alert.textContent).toMatch(/did not work: The disk is full. +Make room/);
    host.change([running("personal/postgres")]);
    await waitFor(() => expect(screen.queryByText(/did not work/)).toBeNull());
    host.change([service("personal/postgres", { error: problem(["other-port"]) })]);
    await screen.findByText("The data is of 14");
    expect(screen.queryByText(/did not work/)).toBeNull();
  });
});

describe("removing and moving", () => {
  it("asks before it removes, and the focus goes to the next row", async () => {
    const { host, user } = await chooseItem("personal/redis", "Remove…");
    const dialog = await screen.findByRole("dialog", { name: "Remove personal/redis" });
    expect(dialog.textContent).toMatch(/data goes to the trash/);
    expect(await violations()).toEqual([]);
    await user.click(within(dialog).getByRole("button", { name: "Remove" }));
    await waitFor(() => expect(screen.queryByRole("row", { name: "personal/redis" })).toBeNull());
    expect(host.calls).toContain("remove personal/redis");
    const next = screen.getByRole("row", { name: "personal/rabbitmq" });
    await waitFor(() => expect(document.activeElement).toBe(next));
  });

  it("says in the dialog why it could not remove", async () => {
    const { host, user } = await chooseItem("personal/redis", "Remove…");
    host.failures.set("remove", full);
    const dialog = within(await screen.findByRole("dialog"));
    await user.click(dialog.getByRole("button", { name: "Remove" }));
    expect((await dialog.findByRole("alert")).textContent).toMatch(/The disk is full/);
    await user.click(dialog.getByRole("button", { name: "Cancel" }));
    const kept = screen.getByRole("row", { name: "personal/redis" });
    await waitFor(() => expect(document.activeElement).toBe(kept));
  });

  it("says that a move takes the data along", async () => {
    await chooseItem("personal/redis", "Move to another engine…");
    const dialog = await screen.findByRole("dialog", { name: "Move personal/redis" });
    expect(dialog.textContent).toMatch(/takes the data\s+along; the old copy is kept in the trash/);
  });
});
