import { cleanup, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import { open, violations } from "../../test/open";

const ID = "personal/postgres";
const full = { code: "disk_full", message: "The disk is full", hint: "Make room" };
const region = (name: string) => screen.findByRole("region", { name: `${name} of ${ID}` });

async function openTab(name: "Connect" | "Snapshots") {
  const opened = await open("managed");
  vi.spyOn(navigator.clipboard, "writeText").mockResolvedValue();
  await opened.user.click(screen.getByRole("button", { name: `More for ${ID}` }));
  await opened.user.click(await screen.findByRole("menuitem", { name }));
  const panel = within(await region(name === "Connect" ? "Connection" : name));
  return { ...opened, panel };
}

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

describe("the panel of a service", () => {
  it("switches between its parts by keyboard, and keeps the part for the next service", async () => {
    const { host, user } = await open("managed");
    host.show({ service: ID, logs: true });
    await region("Logs");
    const tab = (name: string) => screen.getByRole("tab", { name });
    tab("Logs").focus();
    await user.keyboard("{ArrowRight}");
    await region("Connection");
    expect(document.activeElement).toBe(tab("Connect"));
    await user.keyboard("{ArrowLeft}{ArrowLeft}");
    await region("Snapshots");
    await user.click(screen.getByRole("row", { name: "personal/redis" }));
    expect(await screen.findByRole("region", { name: "Snapshots of personal/redis" })).toBeTruthy();
    await user.click(screen.getByRole("button", { name: `Logs of ${ID}` }));
    expect(await region("Logs")).toBeTruthy();
  });

  it("has only a log where a service is not from the catalog", async () => {
    const { host } = await open("normal");
    host.show({ service: "shop/db", logs: true });
    await screen.findByRole("region", { name: "Logs of shop/db" });
    expect(screen.queryByRole("tab")).toBeNull();
  });
});

describe("how to connect", () => {
  it("hides the password until it is asked for, and copies it all the same", async () => {
    const { host, user, panel } = await openTab("Connect");
    expect(await panel.findByText(`postgres://locald:…@127.0.0.1:5432/locald`)).toBeTruthy();
    const text = () => document.body.textContent;
    expect(text()).not.toContain("s3cr3t");
    expect(text()).toContain("PGPASSWORD=…");
    expect(await violations()).toEqual([]);
    await user.click(panel.getByRole("button", { name: "Copy Environment (.env)" }));
    expect(host.calls.at(-1)).toMatch(/^copy DATABASE_URL=postgres:\/\/locald:s3cr3t-9f2c71@/);
    expect(host.calls.at(-1)).toContain("\nPGPASSWORD=s3cr3t-9f2c71\n");
    await user.click(panel.getByRole("button", { name: "Copy Command" }));
    expect(host.calls.at(-1)).toMatch(/^copy psql postgres:\/\/locald:s3cr3t-9f2c71@/);
    await user.click(panel.getByRole("button", { name: "Show password" }));
    expect(text()).toContain("PGPASSWORD=s3cr3t-9f2c71");
    await user.click(panel.getByRole("button", { name: "Hide password" }));
    expect(text()).not.toContain("s3cr3t");
  });

  it("names engine and reason", async () => {
    const { panel } = await openTab("Connect");
    expect(await panel.findByText("· its server is installed here")).toBeTruthy();
  });

  it("follows another port", async () => {
    const { host, panel } = await openTab("Connect");
    await panel.findByText("postgres://locald:…@127.0.0.1:5432/locald");
    const row = host.view.services[0];
    if (!row) throw new Error("no row");
    const at = (url: string | null) => url?.replace("5432", "5433") ?? null;
    host.change([{ ...row, url: at(row.url), masked_url: at(row.masked_url) }]);
    expect(await panel.findByText("postgres://locald:…@127.0.0.1:5433/locald")).toBeTruthy();
  });

  it("says why it can't be told, and asks again", async () => {
    const { host, user } = await open("managed");
    host.failures.set("connection", full);
    host.show({ service: ID, logs: true });
    await user.click(await screen.findByRole("tab", { name: "Connect" }));
    expect(await screen.findByText("The disk is full")).toBeTruthy();
    host.failures.clear();
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText(/^psql postgres/)).toBeTruthy();
  });
});

describe("snapshots", () => {
  it("are listed with age, size and version, and saved with or without a name", async () => {
    const { host, user, panel } = await openTab("Snapshots");
    const seeded = await panel.findByRole("listitem", { name: "seeded" });
    expect(seeded.textContent).toMatch(/2 d ago · 32 MB · PostgreSQL 17 · native/);
    expect(await violations()).toEqual([]);
    await user.type(panel.getByRole("textbox", { name: "Name of the snapshot" }), "mine{Enter}");
    expect(await panel.findByRole("listitem", { name: "mine" })).toBeTruthy();
    await user.click(panel.getByRole("button", { name: "Save snapshot" }));
    await waitFor(() => expect(panel.getAllByRole("listitem")).toHaveLength(5));
    expect(host.calls).toContain(`save ${ID} mine`);
    expect(host.calls).toContain(`save ${ID} -`);
  });

  it("are restored and removed only when asked", async () => {
    const { host, user, panel } = await openTab("Snapshots");
    await user.click(await panel.findByRole("button", { name: "Restore seeded" }));
    const ask = within(await panel.findByRole("alertdialog", { name: "Restore" }));
    expect(ask.getByText(/What is replaced is kept in the trash/)).toBeTruthy();
    expect(host.calls.some((call) => call.startsWith("restore"))).toBe(false);
    await user.click(ask.getByRole("button", { name: "Restore" }));
    await waitFor(() => expect(host.calls).toContain(`restore ${ID} seeded`));
    await waitFor(() => expect(panel.queryByRole("alertdialog")).toBeNull());
    await user.click(panel.getByRole("button", { name: "Remove seeded" }));
    await user.click(await panel.findByRole("button", { name: "Remove" }));
    await waitFor(() => expect(panel.queryByRole("listitem", { name: "seeded" })).toBeNull());
    expect(screen.getByRole("region", { name: `Snapshots of ${ID}` })).toBeTruthy();
  });

  it("say what failed where it was asked for", async () => {
    const { host, user, panel } = await openTab("Snapshots");
    host.failures.set("unsave", full);
    host.failures.set("save", full);
    await user.click(await panel.findByRole("button", { name: "Remove seeded" }));
    await user.click(await panel.findByRole("button", { name: "Remove" }));
    const seeded = within(panel.getByRole("listitem", { name: "seeded" }));
    expect((await seeded.findByRole("alert")).textContent).toMatch(/The disk is full/);
    await user.click(panel.getByRole("button", { name: "Save snapshot" }));
    await waitFor(() => expect(panel.getAllByRole("alert")).toHaveLength(2));
  });
});
