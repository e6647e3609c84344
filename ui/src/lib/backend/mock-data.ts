import type { DashboardView } from "../bindings/DashboardView";
import type { EngineRow } from "../bindings/EngineRow";
import type { ProjectRow } from "../bindings/ProjectRow";
import type { ServiceRow } from "../bindings/ServiceRow";

export type MockKind = "all" | "normal" | "empty" | "many" | "offline";

const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();

const docker: EngineRow = {
  id: "docker",
  kind: "docker",
  endpoint: "unix:///var/run/docker.sock",
  source: "the well-known socket",
  state: "online",
  version: "28.2.2",
  error: null,
};

const offline: EngineRow = {
  ...docker,
  state: "offline",
  version: null,
  error: {
    code: "engine_not_permitted",
    message: "You may not open /var/run/docker.sock",
    hint: "Add yourself to the group docker, then log in again: sudo usermod -aG docker $USER",
  },
};

export function port(host: number, inner = host, protocol: "tcp" | "udp" = "tcp") {
  return {
    label: host === inner ? `${host}` : `${host} → ${inner}`,
    href: protocol === "tcp" ? `http://127.0.0.1:${host}` : null,
    port: { host_ip: "127.0.0.1", host_port: host, port: inner, protocol },
  };
}

export function service(id: string, over: Partial<ServiceRow> = {}): ServiceRow {
  const [project = "", name = ""] = id.split("/");
  return {
    id,
    project,
    name,
    origin: "busybox:1.36",
    engine: "docker",
    external: false,
    state: "stopped",
    state_text: "stopped",
    tone: "neutral",
    health: "none",
    health_text: null,
    on: false,
    turns_on: true,
    since: null,
    ports: [],
    url: null,
    restarts: 0,
    error: null,
    last_line: null,
    outdated: false,
    ...over,
  };
}

export function running(id: string, over: Partial<ServiceRow> = {}): ServiceRow {
  return service(id, {
    state: "running",
    state_text: "running",
    tone: "good",
    on: true,
    turns_on: false,
    since: ago(190),
    ...over,
  });
}

const shop = (): ServiceRow[] => [
  running("shop/db", {
    origin: "postgres:17-alpine",
    health: "healthy",
    since: ago(8000),
    ports: [port(5432)],
    url: "postgres://postgres:…@127.0.0.1:5432/shop",
  }),
  running("shop/cache", {
    origin: "redis:7",
    health: "starting",
    tone: "busy",
    since: ago(4),
    ports: [port(6379)],
    url: "redis://127.0.0.1:6379",
  }),
  running("shop/api", {
    origin: "shop-api:dev",
    health: "unhealthy",
    health_text: "GET /healthz answered 503 Service Unavailable",
    tone: "warning",
    since: ago(75),
    ports: [port(8080, 80), port(9090)],
    url: "http://127.0.0.1:8080",
    restarts: 2,
  }),
  running("shop/web", {
    origin: "nginx:1.27-alpine",
    health: "healthy",
    ports: [port(8000, 80)],
    url: "http://127.0.0.1:8000",
    outdated: true,
  }),
  service("shop/mail", { origin: "axllent/mailpit:v1.20", ports: [] }),
];

const states = (): ServiceRow[] => [
  service("states/waiting", {
    state: "waiting",
    state_text: "waiting for db and cache",
    tone: "busy",
    turns_on: false,
    since: ago(12),
  }),
  service("states/preparing", {
    state: "preparing",
    state_text: "fetching image, 40 %",
    tone: "busy",
    turns_on: false,
    origin: "ghcr.io/example/very/long/path/to/an/image-with-a-long-name:2026.01.15-rc1",
    since: ago(31),
  }),
  service("states/starting", {
    state: "starting",
    state_text: "starting",
    tone: "busy",
    turns_on: false,
    since: ago(1),
  }),
  running("states/paused", { state_text: "running, paused", tone: "warning", since: ago(90000) }),
  service("states/stopping", {
    state: "stopping",
    state_text: "stopping",
    tone: "busy",
    on: true,
    since: ago(2),
  }),
  service("states/backing-off", {
    state: "backing_off",
    state_text: "restarting in 8 s",
    tone: "warning",
    turns_on: false,
    restarts: 12,
    since: ago(3),
    last_line: "\u001b[31mError:\u001b[0m cannot connect to 127.0.0.1:5432: connection refused",
  }),
  service("states/finished", { state: "exited", state_text: "finished", since: ago(340) }),
  service("states/crashed", {
    state: "exited",
    state_text: "exited with code 3",
    tone: "bad",
    since: ago(65),
    last_line: 'panicked at src/main.rs:42: <img src=x onerror="alert(1)">',
  }),
  service("states/failed", {
    state: "failed",
    state_text: "failed to start",
    tone: "bad",
    since: ago(20),
    error: {
      code: "port_in_use",
      message: "Port 8080 is used by shop-api-1 (a container of another program)",
      hint: "Stop it, or choose another port in locald.toml",
    },
  }),
  service("states/unknown", {
    state: "unknown",
    state_text: "unknown, the engine doesn't answer",
    tone: "warning",
    engine: "podman",
    turns_on: false,
    since: ago(15),
  }),
  running("states/legacy-external", {
    origin: "mysql:5.7",
    external: true,
    ports: [port(3306), port(33060), port(1161, 161, "udp")],
    since: ago(86400 * 12),
  }),
  running(
    `states/${"a-service-with-a-very-long-name-that-has-sixty-three-characters-".slice(0, 62)}x`,
    {
      health: "healthy",
      since: ago(-30),
      ports: [port(40001, 1), port(40002, 2), port(40003, 3), port(40004, 4)],
      url: "http://127.0.0.1:40001",
    },
  ),
];

function project(name: string, error: ProjectRow["error"] = null): ProjectRow {
  return { name, folder: `/home/anna/code/${name}`, error };
}

function many(): ServiceRow[] {
  return Array.from({ length: 200 }, (_, index) => {
    const id = `team-${Math.floor(index / 40) + 1}/service-${String(index + 1).padStart(3, "0")}`;
    if (index % 7 === 3) return service(id);
    return running(id, { health: index % 3 ? "healthy" : "none", ports: [port(20000 + index)] });
  });
}

export function mockView(kind: MockKind): DashboardView {
  const empty = { seq: 1, engines: [docker], projects: [], services: [], notices: [] };
  switch (kind) {
    case "empty":
      return empty;
    case "many": {
      const services = many();
      const names = [...new Set(services.map((row) => row.project))];
      return { ...empty, services, projects: names.map((name) => project(name)) };
    }
    case "normal":
      return { ...empty, services: shop(), projects: [project("shop")] };
    case "offline":
      return {
        ...empty,
        engines: [offline],
        projects: [project("shop")],
        services: shop().map((row) => ({
          ...row,
          state: "unknown",
          state_text: "unknown",
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
        engines: [docker, { ...offline, id: "podman", kind: "podman" }],
        projects: [
          project("shop"),
          project("states"),
          project("broken", {
            code: "config_broken",
            message: "locald.toml, line 7, column 1: unknown key `prots`; did you mean `ports`?",
            hint: "The last good version stays in use until this is fixed",
          }),
        ],
        services: [...shop(), ...states(), service("broken/worker")],
        notices: [
          "This desktop has no tray, so closing the window minimises it. On GNOME, the AppIndicator extension adds a tray.",
        ],
      };
  }
}
