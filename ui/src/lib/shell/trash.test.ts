import { cleanup, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, describe, expect, it } from "vitest";
import { open, violations } from "../../test/open";

const OLD = "personal-postgres-20260114T101500";

async function openTrash() {
  const opened = await open();
  await opened.user.click(screen.getByRole("button", { name: "More" }));
  await opened.user.click(await screen.findByRole("menuitem", { name: "Trash…" }));
  const dialog = within(await screen.findByRole("dialog", { name: "Trash" }));
  const item = await dialog.findByRole("listitem", { name: OLD });
  return { ...opened, dialog, item };
}

afterEach(cleanup);

describe("the trash", () => {
  it("says what is in it, why, since when and how large it is", async () => {
    const { item, dialog, user } = await openTrash();
    expect(item.textContent).toMatch(/personal\/postgres/);
    expect(item.textContent).toMatch(/Replaced by a snapshot · 1 h ago · 47 MB · PostgreSQL 17/);
    expect(dialog.getByText("3 items, 257 MB")).toBeTruthy();
    expect(await violations()).toEqual([]);
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    const more = screen.getByRole("button", { name: "More" });
    await waitFor(() => expect(document.activeElement).toBe(more));
  });

  it("gives back", async () => {
    const { host, user, dialog } = await openTrash();
    await user.click(dialog.getByRole("button", { name: `Restore ${OLD}` }));
    await waitFor(() => expect(dialog.queryByRole("listitem", { name: OLD })).toBeNull());
    expect(host.calls).toContain(`untrash ${OLD}`);
  });

  it("erases one only when asked, and Escape takes back only the question", async () => {
    const { host, user, dialog } = await openTrash();
    await user.click(dialog.getByRole("button", { name: `Delete ${OLD}` }));
    await dialog.findByRole("alertdialog", { name: "Delete" });
    expect(await violations()).toEqual([]);
    await user.keyboard("{Escape}");
    await waitFor(() => expect(dialog.queryByRole("alertdialog")).toBeNull());
    expect(screen.getByRole("dialog", { name: "Trash" })).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: `Delete ${OLD}` }));
    await user.click(await dialog.findByRole("button", { name: "Delete" }));
    await waitFor(() => expect(dialog.queryByRole("listitem", { name: OLD })).toBeNull());
    expect(host.calls).toContain(`erase ${OLD}`);
    const dialogNow = screen.getByRole("dialog", { name: "Trash" });
    await waitFor(() => expect(dialogNow.contains(document.activeElement)).toBe(true));
  });

  it("is emptied only when asked", async () => {
    const { host, user, dialog } = await openTrash();
    await user.click(dialog.getByRole("button", { name: "Empty the trash…" }));
    expect(host.calls).not.toContain("erase all");
    await user.click(await dialog.findByRole("button", { name: "Empty the trash" }));
    expect(await dialog.findByText("The trash is empty.")).toBeTruthy();
    expect(host.calls).toContain("erase all");
  });

  it("says why it could not", async () => {
    const { host, user, dialog, item } = await openTrash();
    const busy = { code: "busy", message: "Its engine is offline", hint: "Start Docker" };
    host.failures.set("untrash", busy).set("erase", busy);
    await user.click(dialog.getByRole("button", { name: `Restore ${OLD}` }));
    expect((await within(item).findByRole("alert")).textContent).toMatch(/engine is offline/);
    await user.click(dialog.getByRole("button", { name: "Empty the trash…" }));
    await user.click(await dialog.findByRole("button", { name: "Empty the trash" }));
    await waitFor(() => expect(dialog.getAllByRole("alert")).toHaveLength(2));
  });
});
