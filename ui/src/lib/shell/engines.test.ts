import { cleanup, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { open, violations } from "../../test/open";
import { absent, docker, native, podman, refusing } from "../backend/mock-engines";
import { group, running } from "../backend/mock-rows";

const pill = () => screen.getByRole("button", { name: /^Engines: / });

beforeEach(() => localStorage.clear());
afterEach(cleanup);

describe("the engines", () => {
  it("are all told of in the header and explained on demand", async () => {
    const { host, user } = await open();
    host.change([], { engines: [docker, refusing(podman)] });
    await waitFor(() => expect(pill().getAttribute("aria-label")).toContain("1 offline"));
    pill().focus();
    await user.keyboard("{Enter}");
    const list = within(await screen.findByRole("dialog", { name: "Engines" }));
    expect(list.getAllByRole("listitem")).toHaveLength(2);
    expect(list.getByText("28.2.2")).toBeTruthy();
    expect(list.getByText("unix:///var/run/docker.sock")).toBeTruthy();
    expect(list.getByText("Found at a usual place")).toBeTruthy();
    expect(list.getByText("Offline")).toBeTruthy();
    expect(list.getByText(/^You may not open/)).toBeTruthy();
    const command = "sudo usermod -aG docker $USER";
    expect(list.getByText(command).tagName).toBe("CODE");
    expect(await violations()).toEqual([]);
    await user.click(list.getByRole("button", { name: `Copy ${command}` }));
    expect(host.calls.at(-1)).toBe(`copy ${command}`);
  });

  it("that nobody missed are named and are no fault", async () => {
    const { host, user } = await open();
    host.change([], { engines: [absent, native] });
    await waitFor(() => expect(pill().getAttribute("aria-label")).toBe("Engines: Native"));
    expect(screen.queryByRole("alert")).toBeNull();
    await user.click(pill());
    const list = within(await screen.findByRole("dialog", { name: "Engines" }));
    expect(list.getByText("Not installed")).toBeTruthy();
    expect(list.getByText(/^Install Docker/)).toBeTruthy();
    expect(list.queryByRole("button", { name: /^Make default.*Docker/ })).toBeNull();
  });

  it("have one default, which can be changed", async () => {
    const { host, user } = await open();
    host.change([], { engines: [docker, podman] });
    host.view = { ...host.view, engines: [docker, podman] };
    await user.click(pill());
    const list = within(await screen.findByRole("dialog", { name: "Engines" }));
    expect(list.getAllByText("Default for new services")).toHaveLength(1);
    await user.click(list.getByRole("button", { name: /^Make default.*Podman/ }));
    expect(host.calls).toEqual(["default podman"]);
    expect(await list.findByRole("button", { name: /^Make default.*Docker/ })).toBeTruthy();
  });

  it("offer no choice where there is one", async () => {
    const { user } = await open();
    await user.click(pill());
    const list = within(await screen.findByRole("dialog", { name: "Engines" }));
    expect(list.queryByText(/default/i)).toBeNull();
  });
});

describe("a window with containers of others alone", () => {
  it("says how to begin", async () => {
    const { host, user } = await open();
    const services = [running("web/api", { external: true })];
    host.change(services, { order: ["web/api"], projects: [group("web")] });
    await screen.findByText(/locald runs no project yet/);
    const add = screen.getByRole("button", { name: "Add project…" });
    await user.click(add);
    expect(await screen.findByRole("dialog", { name: "Add project" })).toBeTruthy();
    expect(await violations()).toEqual([]);
    await user.keyboard("{Escape}");
    await waitFor(() => expect(document.activeElement).toBe(add));
  });

  it("leaves them alone when all services are stopped", async () => {
    const { host, user } = await open();
    const other = running("web/api", { external: true });
    const order = [...host.view.services.map(({ id }) => id), "web/api"];
    host.change([other], { order });
    await screen.findByRole("row", { name: "web/api" });
    await user.click(screen.getByRole("button", { name: "More" }));
    await user.click(await screen.findByRole("menuitem", { name: "Stop all services" }));
    expect(host.calls.at(-1)).toBe("stop shop/db shop/cache shop/api shop/web");
  });
});
