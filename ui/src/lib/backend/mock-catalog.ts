import type { CatalogItem } from "../bindings/CatalogItem";

const svg = (paths: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${paths}</svg>`;

const cylinder = svg(
  '<ellipse cx="12" cy="5" rx="8" ry="3"/><path d="M4 5v14c0 1.7 3.6 3 8 3s8-1.3 8-3V5M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3"/>',
);
const stack = svg('<path d="m12 3 9 5-9 5-9-5zM3 12l9 5 9-5M3 16l9 5 9-5"/>');
const leaf = svg('<path d="M12 2c5 5 6 12 0 18C6 14 7 7 12 2zM12 11v11"/>');
const mail = svg('<rect x="3" y="5" width="18" height="14" rx="2"/><path d="m3 7 9 6 9-6"/>');
const waves = svg('<path d="M3 8c3-3 6 3 9 0s6-3 9 0M3 15c3-3 6 3 9 0s6-3 9 0"/>');
const lens = svg('<circle cx="11" cy="11" r="7"/><path d="m21 21-5-5"/>');
const bucket = svg('<path d="M4 6h16l-2 15H6zM4 6c0-4 16-4 16 0"/>');
const bars = svg('<path d="M5 4v16M10 4v16M15 4v16M20 9v6"/>');

function item(
  name: string,
  title: string,
  description: string,
  versions: string[],
  icon: string | null,
  over: Partial<CatalogItem> = {},
): CatalogItem {
  const default_version = over.here?.[0] ?? versions[0] ?? "latest";
  return {
    name,
    title,
    description,
    versions,
    default_version,
    here: [],
    icon,
    own: false,
    ...over,
  };
}

export const catalog = (): CatalogItem[] => [
  item("postgres", "PostgreSQL", "relational database", ["18", "17", "16", "15", "14"], cylinder, {
    here: ["17", "15"],
  }),
  item("mysql", "MySQL", "relational database", ["9.4", "8.4"], cylinder),
  item("mariadb", "MariaDB", "relational database", ["12.0", "11.8", "10.11"], cylinder, {
    here: ["10.11"],
  }),
  item("redis", "Redis", "cache and data structures in memory", ["8", "7"], stack, { here: ["7"] }),
  item("valkey", "Valkey", "cache and data structures in memory", ["8", "7"], stack),
  item("mongodb", "MongoDB", "document database", ["8.0", "7.0"], leaf),
  item("rabbitmq", "RabbitMQ", "message broker (AMQP)", ["4", "3.13"], waves),
  item("nats", "NATS", "messaging and streams", ["2"], waves),
  item("memcached", "Memcached", "cache in memory", ["1.6"], stack),
  item("minio", "MinIO", "object storage with the API of S3", ["latest"], bucket),
  item("mailpit", "Mailpit", "catches e-mail and shows it", ["1"], mail),
  item("opensearch", "OpenSearch", "search engine", ["3", "2"], lens),
  item("redpanda", "Redpanda", "event streams with the API of Kafka", ["25.2"], waves),
  item("clickhouse", "ClickHouse", "analytical database", ["25.8"], bars),
  item("meilisearch", "Meilisearch", "search engine", ["1"], lens),
  item("mosquitto", "Mosquitto", "message broker (MQTT)", ["2"], waves),
  item("etcd", "etcd", "key-value store", ["3.6"], null),
  item(
    "acme-ledger",
    "Acme Ledger with an unusually long title for a catalog entry",
    "the ledger that everything of Acme's talks to, with a description that goes on and on",
    ["2026.1"],
    null,
    { own: true },
  ),
];
