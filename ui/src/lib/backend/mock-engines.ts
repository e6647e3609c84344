import type { EngineRow } from "../bindings/EngineRow";

export const docker: EngineRow = {
  id: "docker",
  kind: "docker",
  endpoint: "unix:///var/run/docker.sock",
  source: "found at a usual place",
  state: "online",
  version: "28.2.2",
  error: null,
  is_default: true,
  absent: false,
};

/** Processes of this user; always there. */
export const native: EngineRow = {
  ...docker,
  id: "native",
  kind: "native",
  endpoint: "",
  source: "runs servers of this machine without containers",
  version: null,
  is_default: false,
};

export const podman: EngineRow = {
  ...docker,
  id: "podman",
  kind: "podman",
  endpoint: "unix:///run/user/1000/podman/podman.sock",
  source: "the Podman connection `default`",
  version: "5.4.0",
  is_default: false,
};

export const rootful: EngineRow = {
  ...podman,
  id: "podman-root",
  endpoint: "unix:///run/podman/podman.sock",
  source: "found at a usual place",
};

export const remote: EngineRow = {
  ...docker,
  id: "docker-staging",
  endpoint: "ssh://anna@staging.example.org",
  source: "from the docker context `staging`",
  state: "connecting",
  version: null,
  is_default: false,
};

/** The engine of most people, who don't all have it. */
export const absent: EngineRow = {
  ...refusing(docker),
  source: "the usual place",
  error: {
    code: "engine_missing",
    message: "There is no socket at /var/run/docker.sock",
    hint: "Install Docker, or start it (`sudo systemctl start docker`); for another socket set DOCKER_HOST.",
  },
  absent: true,
};

/** An engine whose socket may not be opened. */
export function refusing(engine: EngineRow): EngineRow {
  const path = engine.endpoint.replace("unix://", "");
  return {
    ...engine,
    state: "offline",
    version: null,
    error: {
      code: "engine_not_permitted",
      message: `You may not open ${path}`,
      hint: "Add yourself to its group (`sudo usermod -aG docker $USER`), then log out and in again.",
    },
  };
}
