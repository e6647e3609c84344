import type { ProjectRow } from "../bindings/ProjectRow";
import type { ServiceRow } from "../bindings/ServiceRow";

export const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();

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
    entry: null,
    engine: "docker",
    engine_reason: null,
    masked_url: null,
    console: null,
    external: false,
    crash_looping: false,
    gave_up: false,
    muted: null,
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

export function project(name: string, error: ProjectRow["error"] = null): ProjectRow {
  return { name, folder: `/home/anna/code/${name}`, external: false, error };
}

/** Containers that locald did not make. */
export function group(name: string): ProjectRow {
  return { name, folder: "", external: true, error: null };
}
