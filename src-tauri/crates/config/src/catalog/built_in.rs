//! The entries that come with locald.

use std::{path::Path, sync::Arc, sync::LazyLock};

use super::{Entry, read};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../catalog/", $name, ".toml")))),*]
    };
}

/// In the order in which people look for them.
pub(super) const FILES: &[(&str, &str)] = files![
    "postgres",
    "mysql",
    "mariadb",
    "redis",
    "valkey",
    "mongodb",
    "rabbitmq",
    "nats",
    "kafka",
    "memcached",
    "minio",
    "mailpit",
    "opensearch",
    "meilisearch",
    "clickhouse",
    "mosquitto",
    "etcd",
];

/// A test reads each; one that doesn't read would be missing.
pub(super) fn entries() -> &'static [Arc<Entry>] {
    static ENTRIES: LazyLock<Vec<Arc<Entry>>> = LazyLock::new(|| {
        FILES
            .iter()
            .filter_map(|(name, text)| read::entry(&path(name), text, false).ok())
            .map(Arc::new)
            .collect()
    });
    &ENTRIES
}

pub(super) fn path(name: &str) -> std::path::PathBuf {
    Path::new("catalog").join(name).with_extension("toml")
}
