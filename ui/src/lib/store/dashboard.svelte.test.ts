import { flushSync } from "svelte";
import { describe, expect, it } from "vitest";
import { mockView } from "../backend/mock-data";
import { running, service } from "../backend/mock-rows";
import type { DashboardChange } from "../bindings/DashboardChange";
import { Dashboard } from "./dashboard.svelte";
import { ServiceListModel } from "./list.svelte";

function change(seq: number, over: Partial<DashboardChange>): DashboardChange {
  const nothing = { services: [], order: null, engines: null, projects: null, notices: null };
  return { seq, ...nothing, ...over };
}

function loaded(ids: string[] = ["shop/db", "shop/web"]): Dashboard {
  const dashboard = new Dashboard();
  const services = ids.map((id) => service(id));
  dashboard.load({ ...mockView("empty"), seq: 10, services });
  return dashboard;
}

describe("the dashboard's store", () => {
  it("applies a changed row to that row alone", () => {
    const dashboard = loaded();
    const [db, web] = [dashboard.entry("shop/db"), dashboard.entry("shop/web")];
    const before = web?.view;
    dashboard.apply(change(11, { services: [running("shop/db")] }));
    expect(db?.view.state).toBe("running");
    expect(dashboard.entry("shop/db")).toBe(db);
    expect(web?.view).toBe(before);
  });

  it("wakes only what reads the changed row", () => {
    const dashboard = loaded();
    const woken: string[] = [];
    const stop = $effect.root(() => {
      for (const id of dashboard.order) {
        $effect(() => {
          woken.push(`${id} ${dashboard.entry(id)?.view.state}`);
        });
      }
    });
    flushSync();
    woken.length = 0;
    dashboard.apply(change(11, { services: [running("shop/web")] }));
    flushSync();
    expect(woken).toEqual(["shop/web running"]);
    stop();
  });

  it("ignores what the view already holds", () => {
    const dashboard = loaded();
    dashboard.apply(change(10, { services: [running("shop/db")] }));
    expect(dashboard.entry("shop/db")?.view.state).toBe("stopped");
  });

  it("keeps changes that come before the view, and applies the newer ones", () => {
    const dashboard = new Dashboard();
    dashboard.apply(change(10, { services: [service("shop/db", { state_text: "old" })] }));
    dashboard.apply(change(11, { services: [running("shop/db")] }));
    dashboard.load({ ...mockView("empty"), seq: 10, services: [service("shop/db")] });
    expect(dashboard.entry("shop/db")?.view.state).toBe("running");
  });

  it("follows order, additions and removals", () => {
    const dashboard = loaded();
    dashboard.apply(
      change(11, { services: [service("shop/api")], order: ["shop/api", "shop/db"] }),
    );
    expect(dashboard.order).toEqual(["shop/api", "shop/db"]);
    expect(dashboard.entry("shop/web")).toBeUndefined();
  });

  it("replaces engines, projects and notices only when they are given", () => {
    const dashboard = loaded();
    const { engines } = dashboard;
    dashboard.apply(change(11, { notices: ["No tray"] }));
    expect(dashboard.engines).toBe(engines);
    expect(dashboard.notices).toEqual(["No tray"]);
  });
});

describe("the list", () => {
  it("puts services under their project, also those without one and projects without services", () => {
    const dashboard = new Dashboard();
    const projects = [{ name: "empty", folder: "/e", external: false, error: null }];
    const services = [service("shop/db")];
    dashboard.load({ ...mockView("empty"), projects, services });
    const list = new ServiceListModel(dashboard);
    expect(list.items.map((item) => item.key)).toEqual([
      "project empty",
      "project shop",
      "shop/db",
    ]);
  });

  it("filters by every word, in id, image and state", () => {
    const dashboard = loaded(["shop/db", "shop/web", "blog/db"]);
    const list = new ServiceListModel(dashboard);
    list.filter = " DB  shop";
    expect(list.visible).toEqual(["shop/db"]);
    expect(list.items).toHaveLength(2);
    list.filter = "nothing like it";
    expect(list.items).toHaveLength(0);
  });

  it("stays within its ends when the keyboard moves", () => {
    const list = new ServiceListModel(loaded());
    expect(list.neighbour("shop/db", -1)).toBe("shop/db");
    expect(list.neighbour("shop/db", 1)).toBe("shop/web");
    expect(list.neighbour("shop/db", Infinity)).toBe("shop/web");
    expect(list.neighbour("shop/web", -Infinity)).toBe("shop/db");
  });

  it("drops a filter that hides a service asked for from outside", () => {
    const list = new ServiceListModel(loaded());
    list.filter = "web";
    list.reveal("shop/db");
    expect(list.filter).toBe("");
    expect(list.tabStop).toBe("shop/db");
  });
});
