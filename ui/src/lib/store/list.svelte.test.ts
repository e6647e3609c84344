import { beforeEach, describe, expect, it } from "vitest";
import { mockView } from "../backend/mock-data";
import { group, project, running, service } from "../backend/mock-rows";
import type { ProjectRow } from "../bindings/ProjectRow";
import type { ServiceRow } from "../bindings/ServiceRow";
import { Dashboard } from "./dashboard.svelte";
import { ServiceListModel } from "./list.svelte";

const external = { external: true };

function containers(of: string, amount: number): ServiceRow[] {
  return Array.from({ length: amount }, (_, index) => service(`${of}/c${index}`, external));
}

function listOf(services: ServiceRow[], projects: ProjectRow[]) {
  const dashboard = new Dashboard();
  dashboard.load({ ...mockView("empty"), services, projects });
  return { dashboard, list: new ServiceListModel(dashboard) };
}

const keys = (list: ServiceListModel) => list.items.map(({ key }) => key);

describe("containers that locald did not make", () => {
  beforeEach(() => localStorage.clear());

  it("come after the projects, in the order of the rows too", () => {
    const services = [...containers("alpha", 1), service("shop/db")];
    const { list } = listOf(services, [group("alpha"), project("shop")]);
    expect(keys(list)).toEqual(["project shop", "shop/db", "external alpha", "alpha/c0"]);
    expect(list.visible).toEqual(["shop/db", "alpha/c0"]);
  });

  it("stay apart from a project of the same name", () => {
    const services = [service("shop/db"), ...containers("shop", 1)];
    const { dashboard, list } = listOf(services, [project("shop")]);
    expect(keys(list)).toEqual(["project shop", "shop/db", "external shop", "shop/c0"]);
    dashboard.apply({
      seq: 2,
      services: [service("shop/c0")],
      order: null,
      engines: null,
      projects: null,
      notices: null,
    });
    expect(keys(list)).toEqual(["project shop", "shop/db", "shop/c0"]);
  });

  it("are folded away when they are many, until a person unfolds them", () => {
    const services = [...containers("few", 8), ...containers("lots", 9)];
    const { list } = listOf(services, [group("few"), group("lots")]);
    expect(list.visible).toHaveLength(8);
    const lots = list.items.find(({ key }) => key === "external lots");
    if (lots?.kind === "group") list.fold(lots.group, false);
    expect(list.visible).toHaveLength(17);
    expect(listOf(services, []).list.visible).toHaveLength(17);
  });

  it("are found by a filter, and shown when they are asked for, though folded", () => {
    const { list } = listOf(containers("lots", 9), [group("lots")]);
    expect(list.tabStop).toBeNull();
    list.filter = "c7";
    expect(list.visible).toEqual(["lots/c7"]);
    list.filter = "";
    list.reveal("lots/c3");
    expect(list.tabStop).toBe("lots/c3");
  });

  it("have no heading once none is left", () => {
    const { list } = listOf([], [group("gone"), project("kept")]);
    expect(keys(list)).toEqual(["project kept"]);
  });

  it("do without the memory where there is none", () => {
    localStorage.setItem("locald.folds", "{broken");
    const { list } = listOf([running("shop/db")], [project("shop")]);
    expect(list.visible).toEqual(["shop/db"]);
  });

  it("are found by the engine they run on", () => {
    const services = [service("shop/db", { engine: "podman" }), service("shop/web")];
    const { list } = listOf(services, [project("shop")]);
    list.filter = "podman";
    expect(list.visible).toEqual(["shop/db"]);
  });
});
