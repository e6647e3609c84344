import { cleanup, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import { open, violations } from "../../test/open";
import type { MockKind } from "../backend/mock-data";

const opener = () => screen.getByRole("button", { name: "Add service" });
const full = { code: "disk_full", message: "The disk is full", hint: "Make room" };

async function openDialog(kind: MockKind = "managed", button = "Add service") {
  const opened = await open(kind);
  await opened.user.click(screen.getByRole("button", { name: button }));
  const dialog = within(await screen.findByRole("dialog", { name: "Add service" }));
  const search = dialog.getByRole("combobox", { name: "Search the catalog" });
  await waitFor(() => expect(document.activeElement).toBe(search));
  await dialog.findByRole("option", { name: /PostgreSQL/ });
  return { ...opened, dialog, search };
}

const focused = (id: string) =>
  waitFor(() => expect(document.activeElement).toBe(screen.getByRole("row", { name: id })));

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

describe("the dialog to add a service", () => {
  it("shows what there is, what is installed and what is one's own", async () => {
    const { dialog } = await openDialog();
    const option = (name: RegExp) => dialog.getByRole("option", { name });
    expect(option(/PostgreSQL/).getAttribute("aria-selected")).toBe("true");
    expect(option(/PostgreSQL/).textContent).toMatch(/relational database.*installed here/);
    expect(option(/MySQL/).textContent).not.toMatch(/installed here/);
    expect(option(/Acme Ledger/).textContent).toMatch(/yours/);
    expect(await violations()).toEqual([]);
  });

  it("adds by typing and Enter, and goes to the new row", async () => {
    const { host, user } = await openDialog();
    await user.keyboard("meili{Enter}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(host.calls).toContain("add personal meilisearch - -");
    await focused("personal/meilisearch");
    await waitFor(() =>
      expect(host.view.services.find(({ name }) => name === "meilisearch")?.on).toBe(true),
    );
  });

  it("chooses with the arrows, a version, a name and a project", async () => {
    const { host, user, dialog, search } = await openDialog();
    await user.keyboard("{ArrowDown}{ArrowDown}{ArrowUp}");
    const mysql = dialog.getByRole("option", { name: /MySQL/ });
    expect(search.getAttribute("aria-activedescendant")).toBe(mysql.id);
    await user.selectOptions(dialog.getByRole("combobox", { name: "Version" }), "8.4");
    await user.selectOptions(dialog.getByRole("combobox", { name: "Project" }), "shop");
    await user.type(dialog.getByRole("textbox", { name: "Name" }), " legacy {Enter}");
    await waitFor(() => expect(host.calls).toContain("add shop mysql 8.4 legacy"));
    await focused("shop/legacy");
  });

  it("starts with the project it was asked for, and names what locald would", async () => {
    const { dialog, user } = await openDialog("managed", "Add a service to shop");
    const name = dialog.getByRole("textbox", { name: "Name" });
    expect(dialog.getByRole<HTMLSelectElement>("combobox", { name: "Project" }).value).toBe("shop");
    expect(name.getAttribute("placeholder")).toBe("postgres");
    await user.selectOptions(dialog.getByRole("combobox", { name: "Project" }), "Personal");
    expect(name.getAttribute("placeholder")).toBe("postgres-2");
  });

  it("has the version whose server is here chosen, and another entry's own", async () => {
    const { dialog, user } = await openDialog();
    const version = () => dialog.getByRole<HTMLSelectElement>("combobox", { name: "Version" });
    expect(version().value).toBe("17");
    await user.selectOptions(version(), "15");
    await user.keyboard("{Escape}");
    await user.click(opener());
    await screen.findByRole("option", { name: /Redis/ });
    await user.keyboard("redis");
    const fresh = within(await screen.findByRole("dialog"));
    expect(fresh.getByRole<HTMLSelectElement>("combobox", { name: "Version" }).value).toBe("7");
  });

  it("stays and says why it failed, and gives the focus back when closed", async () => {
    const { host, user, dialog } = await openDialog();
    host.failures.set("add", full);
    await user.keyboard("{Enter}");
    const alert = await dialog.findByRole("alert");
    expect(alert.textContent).toMatch(/The disk is full.*Make room/s);
    expect(await violations()).toEqual([]);
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    await waitFor(() => expect(document.activeElement).toBe(opener()));
  });

  it("says so when nothing fits, and adds nothing then", async () => {
    const { host, user, dialog } = await openDialog();
    await user.keyboard("zzz{Enter}");
    expect(dialog.getByText("Nothing in the catalog matches “zzz”.")).toBeTruthy();
    expect(dialog.getByRole<HTMLButtonElement>("button", { name: "Add" }).disabled).toBe(true);
    expect(host.calls.some((call) => call.startsWith("add"))).toBe(false);
  });

  it("asks again for a catalog that could not be had", async () => {
    const { host, user } = await open("fresh");
    host.failures.set("catalog", full);
    await user.click(opener());
    await screen.findByText("The disk is full");
    host.failures.clear();
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("option", { name: /PostgreSQL/ })).toBeTruthy();
  });
});

describe("the empty window", () => {
  it("adds Postgres with one click", async () => {
    const { host, user } = await open("fresh");
    await user.click(screen.getByRole("button", { name: "Add Postgres" }));
    await focused("personal/postgres");
    expect(host.calls).toContain("add personal postgres - -");
  });

  it("says why it could not", async () => {
    const { host, user } = await open("fresh");
    host.failures.set("add", full);
    await user.click(screen.getByRole("button", { name: "Add Postgres" }));
    expect((await screen.findByRole("alert")).textContent).toMatch(/The disk is full/);
    await user.click(screen.getByRole("button", { name: "More services…" }));
    expect(await screen.findByRole("dialog", { name: "Add service" })).toBeTruthy();
  });
});
