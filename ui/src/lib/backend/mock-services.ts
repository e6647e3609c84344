import type { ServiceRow } from "../bindings/ServiceRow";
import { ago, port, running, service } from "./mock-rows";

export const shop = (): ServiceRow[] => [
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

export const states = (): ServiceRow[] => [
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
  running("states/paused", { state_text: "paused", tone: "warning", since: ago(90000) }),
  service("states/stopping", {
    state: "stopping",
    state_text: "stopping",
    tone: "busy",
    on: true,
    since: ago(2),
  }),
  service("states/backing-off", {
    state: "backing_off",
    state_text: "exited with code 1, restarting soon",
    tone: "bad",
    turns_on: false,
    restarts: 2,
    since: ago(2),
  }),
  service("states/crash-looping", {
    state: "backing_off",
    state_text: "crash-looping: exited with code 1, 12 restarts",
    crash_looping: true,
    tone: "bad",
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
  running("states/crash-looping-now-up", {
    crash_looping: true,
    tone: "warning",
    restarts: 13,
    since: ago(2),
  }),
  service("states/gave-up", {
    state: "exited",
    state_text: "gave up: killed by SIGSEGV (code 139), 5 restarts",
    gave_up: true,
    tone: "bad",
    restarts: 5,
    since: ago(600),
    muted: "for_good",
    last_line: "terminate called after throwing an instance of 'std::bad_alloc'",
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
    state_text: "unknown",
    tone: "warning",
    engine: "podman-root",
    since: ago(15),
  }),
  service("states/start-pending", {
    state: "unknown",
    state_text: "starts when podman-root is back",
    tone: "warning",
    engine: "podman-root",
    turns_on: false,
    since: ago(15),
  }),
  running("states/engine-differs", {
    tone: "warning",
    engine: "podman",
    error: {
      code: "engine_differs",
      message: "Its file says docker, and its data is on podman",
      hint: "It stays where its data is. To have it on the other engine: `locald move SERVICE --engine ENGINE`.",
    },
  }),
  running("states/muted", {
    origin: "mysql:5.7",
    muted: { until: ago(-2700) },
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

export function many(): ServiceRow[] {
  return Array.from({ length: 200 }, (_, index) => {
    const id = `team-${Math.floor(index / 40) + 1}/service-${String(index + 1).padStart(3, "0")}`;
    if (index % 7 === 3) return service(id);
    return running(id, { health: index % 3 ? "healthy" : "none", ports: [port(20000 + index)] });
  });
}
