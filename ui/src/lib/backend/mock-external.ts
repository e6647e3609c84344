import type { ServiceRow } from "../bindings/ServiceRow";
import { ago, port, running, service } from "./mock-rows";

const external = { external: true };

/** Containers of no compose project. */
export const containers = (): ServiceRow[] => [
  running("containers/registry-mirror", {
    ...external,
    origin: "registry:2",
    ports: [port(5000)],
    since: ago(86400 * 3),
  }),
  service("containers/elated_hopper", { ...external, origin: "alpine:3.20" }),
  service("containers/backup", {
    ...external,
    origin: "restic/restic:0.17.3",
    engine: "podman",
    state: "exited",
    state_text: "exited with code 1",
    tone: "bad",
    since: ago(5400),
    last_line: "Fatal: unable to open repository at /srv/backup: no such file",
  }),
];

/** A compose project, large enough to be folded at first. */
export const legacy = (): ServiceRow[] =>
  ["proxy", "web", "worker", "db", "cache", "search", "mail", "queue", "metrics", "logs"].map(
    (name, index) => {
      const over = { ...external, origin: `legacy-erp-${name}:2019.4`, since: ago(86400 * index) };
      return index % 4 === 3
        ? service(`legacy-erp/${name}`, over)
        : running(`legacy-erp/${name}`, { ...over, ports: [port(9100 + index, 80)] });
    },
  );

/** As many containers as an engine on a shared machine knows. */
export function manyContainers(): ServiceRow[] {
  return Array.from({ length: 500 }, (_, index) => {
    const of = index % 10 === 0 ? "containers" : `stack-${String(index % 5).padStart(2, "0")}`;
    const id = `${of}/service-${String(index + 1).padStart(3, "0")}`;
    return index % 3
      ? running(id, { ...external, ports: [port(20000 + index)] })
      : service(id, external);
  }).sort((one, other) => one.id.localeCompare(other.id));
}
