import type { ConnectionView } from "../bindings/ConnectionView";
import type { SavedSnapshot } from "../bindings/SavedSnapshot";
import type { ServiceRow } from "../bindings/ServiceRow";
import type { TrashItem } from "../bindings/TrashItem";
import { ago } from "./mock-rows";

const DAY = 86_400;

export function connectionOf({ entry, url, masked_url, console }: ServiceRow): ConnectionView {
  const shown = { url: url ?? "", masked_url: masked_url ?? url ?? "", console };
  if (!url) return { ...shown, env: {}, client: null };
  if (entry !== "postgres") {
    const key = `${(entry ?? "service").toUpperCase()}_URL`;
    return {
      ...shown,
      env: { [key]: url },
      client: entry === "redis" ? `redis-cli -u ${url}` : null,
    };
  }
  const { hostname, port, username, password, pathname } = new URL(url);
  const database = pathname.slice(1);
  const plain = decodeURIComponent(password);
  const env = {
    DATABASE_URL: url,
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: username,
    PGPASSWORD: plain,
    PGDATABASE: database,
    DB_CONNECTION: "pgsql",
    DB_HOST: hostname,
    DB_PORT: port,
    DB_DATABASE: database,
    DB_USERNAME: username,
    DB_PASSWORD: plain,
    JDBC_DATABASE_URL: `jdbc:postgresql://${hostname}:${port}/${database}?user=${username}&password=${password}`,
  };
  return { ...shown, env, client: `psql ${url}` };
}

function saved(service: string, name: string, days: number, size_bytes: number): SavedSnapshot {
  const at = ago(days * DAY);
  return { name, service, at, size_bytes, engine: "native", origin: "PostgreSQL 17" };
}

export const savedSnapshots = (): SavedSnapshot[] => [
  saved("personal/postgres", "before-migration", 0.04, 48_300_000),
  saved("personal/postgres", "seeded", 2.2, 31_900_000),
  {
    ...saved("personal/postgres", "customer-4711-bug-with-the-invoices-of-january-2026", 31, 2.1e9),
    engine: "docker",
    origin: "PostgreSQL 16",
  },
];

export const trashed = (): TrashItem[] => [
  {
    id: "personal-postgres-20260114T101500",
    service: "personal/postgres",
    origin: "PostgreSQL 17",
    engine: "native",
    at: ago(5400),
    why: "replaced by a snapshot",
    size_bytes: 47_100_000,
  },
  {
    id: "blog-db-20260112T181000",
    service: "blog/db",
    origin: "MariaDB 10.11",
    engine: "native",
    at: ago(2 * DAY),
    why: "removed",
    size_bytes: 210_000_000,
  },
  {
    id: "shop-search-with-a-very-long-name-20251220T080000",
    service: "shop/search-with-a-very-long-name-of-a-service",
    origin: "OpenSearch 2",
    engine: "docker",
    at: ago(26 * DAY),
    why: "moved to podman",
    size_bytes: null,
  },
];
