import type { DashboardView } from "../bindings/DashboardView";
import { databases, personal } from "./mock-databases";
import { docker, native, podman, refusing, remote, rootful } from "./mock-engines";
import { containers, legacy, manyContainers } from "./mock-external";
import { group, project, service } from "./mock-rows";
import { many, shop, states } from "./mock-services";

const KINDS = [
  "all",
  "normal",
  "empty",
  "fresh",
  "managed",
  "many",
  "offline",
  "external",
] as const;

export type MockKind = (typeof KINDS)[number];

export function isKind(kind: string): kind is MockKind {
  return KINDS.some((known) => known === kind);
}

export function mockView(kind: MockKind): DashboardView {
  const empty = { seq: 1, engines: [docker], projects: [], services: [], notices: [] };
  switch (kind) {
    case "empty":
      return empty;
    case "fresh":
      return { ...empty, engines: [native] };
    case "managed":
      return {
        ...empty,
        engines: [native, docker],
        projects: [
          { ...project("personal"), folder: "/home/anna/.config/locald" },
          project("shop"),
        ],
        services: [...personal(), ...databases()],
      };
    case "many": {
      const services = many();
      const names = [...new Set(services.map((row) => row.project))];
      return { ...empty, services, projects: names.map((name) => project(name)) };
    }
    case "external": {
      const services = manyContainers();
      const names = [...new Set(services.map((row) => row.project))];
      return {
        ...empty,
        services: [...shop(), ...services],
        projects: [project("shop"), ...names.map(group)],
      };
    }
    case "normal":
      return { ...empty, services: shop(), projects: [project("shop")] };
    case "offline":
      return {
        ...empty,
        engines: [refusing(docker)],
        projects: [project("shop")],
        services: shop().map((row) => ({
          ...row,
          state: "unknown",
          state_text: row.on ? "starts when docker is back" : "unknown",
          on: false,
          turns_on: !row.on,
          url: null,
          restarts: 0,
          tone: "warning",
          health: "none",
          health_text: null,
          ports: [],
          outdated: false,
        })),
      };
    case "all":
      return {
        ...empty,
        engines: [docker, podman, refusing(rootful), remote],
        projects: [
          project("shop"),
          project("states"),
          project("broken", {
            code: "config_broken",
            message: "locald.toml, line 7, column 1: unknown key `prots`; did you mean `ports`?",
            hint: "The last good version stays in use until this is fixed",
          }),
          group("containers"),
          group("legacy-erp"),
        ],
        services: [...shop(), ...states(), service("broken/worker"), ...containers(), ...legacy()],
        notices: [
          "This desktop has no tray, so closing the window minimises it. On GNOME, the AppIndicator extension adds a tray.",
        ],
      };
  }
}
