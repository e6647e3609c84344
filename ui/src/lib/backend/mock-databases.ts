import type { Choice } from "../bindings/Choice";
import type { ProblemCode } from "../bindings/ProblemCode";
import type { ServiceRow } from "../bindings/ServiceRow";
import { ago, port, running, service } from "./mock-rows";

const here = { engine: "native", engine_reason: "its server is installed here" };
const docker = { engine: "docker", engine_reason: "the first container engine that answers" };

/** A URL in both forms. */
function url(before: string, after: string, password = "s3cr3t-9f2c71") {
  return { url: `${before}${password}${after}`, masked_url: `${before}…${after}` };
}

function stuck(
  id: string,
  code: ProblemCode,
  message: string,
  choices: Choice[],
  over: Partial<ServiceRow>,
): ServiceRow {
  const error = { code, message, hint: null, choices };
  const failed = { state: "failed", state_text: "not started", tone: "bad", error } as const;
  return service(id, { ...failed, since: ago(40), ...over });
}

export const personal = (): ServiceRow[] => [
  running("personal/postgres", {
    ...here,
    ...url("postgres://locald:", "@127.0.0.1:5432/locald"),
    entry: "postgres",
    origin: "PostgreSQL 17",
    health: "healthy",
    since: ago(8000),
    ports: [port(5432)],
  }),
  running("personal/redis", {
    ...here,
    ...url("redis://:", "@127.0.0.1:6379/0"),
    entry: "redis",
    origin: "Redis 7",
    health: "healthy",
    ports: [port(6379)],
  }),
  running("personal/rabbitmq", {
    ...docker,
    ...url("amqp://locald:", "@127.0.0.1:5672/%2F"),
    entry: "rabbitmq",
    origin: "RabbitMQ 4",
    health: "healthy",
    console: "http://127.0.0.1:15672",
    ports: [port(5672), port(15672)],
  }),
  running("personal/mailpit", {
    ...docker,
    entry: "mailpit",
    origin: "Mailpit 1",
    url: "smtp://127.0.0.1:1025",
    masked_url: "smtp://127.0.0.1:1025",
    console: "http://127.0.0.1:8025",
    ports: [port(1025), port(8025)],
  }),
  service("personal/events", {
    ...docker,
    entry: "redpanda",
    origin: "Redpanda 25.2",
    url: "127.0.0.1:9092",
    masked_url: "127.0.0.1:9092",
  }),
];

export const databases = (): ServiceRow[] => [
  stuck(
    "shop/db",
    "version_differs",
    "The data is of PostgreSQL 14, and locald.toml asks for 17",
    ["keep-version", "upgrade", "start-empty"],
    { ...here, entry: "postgres", origin: "PostgreSQL 17" },
  ),
  stuck(
    "shop/cache",
    "port_in_use",
    "Port 6379 is used by `redis` of the project `personal`",
    ["other-port", "stop-holder"],
    { ...here, entry: "redis", origin: "Redis 7" },
  ),
  stuck(
    "shop/orders",
    "credentials_differ",
    "The data was made with the user `shop`, and locald.toml says `orders`",
    ["keep-credentials", "apply-credentials", "start-empty"],
    { ...docker, entry: "mariadb", origin: "MariaDB 11.8" },
  ),
  running("shop/search", {
    ...docker,
    ...url("https://admin:", "@127.0.0.1:9200"),
    entry: "opensearch",
    origin: "OpenSearch 3",
    health: "healthy",
    ports: [port(9200)],
  }),
  running("shop/ledger-of-everything-that-was-ever-booked-in-any-of-our-shops", {
    ...docker,
    ...url("postgres://ledger-of-everything:", "@127.0.0.1:15433/ledger_of_everything_ever"),
    entry: "postgres",
    origin: "PostgreSQL 18",
    health: "healthy",
    ports: [port(15433, 5432)],
  }),
  running("shop/web", {
    origin: "nginx:1.27-alpine",
    ports: [port(8000, 80)],
    url: "http://127.0.0.1:8000",
  }),
];
