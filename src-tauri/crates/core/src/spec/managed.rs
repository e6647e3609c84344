//! Managed services: what a catalog entry comes to for one service, for every kind of engine.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::VolumeMount;

/// A catalog entry with all that belongs to one service filled in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Managed {
    /// The entry's name: `postgres`.
    pub entry: String,
    /// What people call it: `PostgreSQL`.
    pub title: String,
    /// The version as the catalog counts them: `17`.
    pub version: String,
    /// What a server has to be to read the data: `17` for Postgres, whose majors don't read each other's. `None` where
    /// any version does.
    pub data_format: Option<String>,
    /// Which of the service's data this is about, from 1. What is set aside keeps its number, and what takes its place
    /// gets the next: nothing is ever written over.
    pub generation: u32,
    /// As a container.
    pub container: ContainerForm,
    /// As a process, where there is a way.
    pub native: Option<NativeForm>,
    /// Who may connect.
    pub credentials: Credentials,
    /// Does its data hold who may connect, so that it goes on asking for what it was made with?
    pub credentials_in_data: bool,
    /// Statements that change user, password and database in the data, run as the old user with the entry's own
    /// protocol; `None` where locald has no way.
    pub change_credentials: Option<ChangeCredentials>,
    /// How its data gets into another major or onto another engine.
    pub transfer: Transfer,
}

/// Nothing of what a spec holds that is secret.
impl fmt::Debug for Managed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            entry,
            version,
            generation,
            ..
        } = self;
        write!(f, "Managed({entry} {version}, data {generation})")
    }
}

/// What a container engine is asked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerForm {
    /// Image reference, as one would write it after `docker run`.
    pub image: String,
    /// Arguments in place of the image's own command.
    pub command: Option<Vec<String>>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Folders and volumes to mount. A managed service's data volumes come first, in the catalog's order.
    pub volumes: Vec<VolumeMount>,
}

/// The image alone: the environment holds passwords.
impl fmt::Debug for ContainerForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContainerForm({})", self.image)
    }
}

/// How a server runs as a process of this machine.
///
/// `args`, `files`, `init` and `env` may hold `{data}` (the data folder), `{run}` (a short private folder for sockets
/// and `files`) and `{bin}` (the folder of the server's programs), which the engine fills in; all else is filled in
/// already.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeForm {
    /// What runs: `redis-server`. Of several names the first that is found.
    pub programs: Vec<String>,
    /// Folders to look in before `PATH`.
    pub folders: Vec<String>,
    /// Postgres has a way of its own: its data folder is a copy of a template.
    pub postgres: bool,
    /// Arguments.
    pub args: Vec<String>,
    /// Files in `{run}`, by name, mode 0600: where passwords go.
    pub files: BTreeMap<String, String>,
    /// What makes the data folder, run once while it is empty.
    pub init: Option<Vec<String>>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Environment of what is run beside it: client programs that dump and restore.
    pub client_env: BTreeMap<String, String>,
}

/// Its programs: files and environment hold passwords.
impl fmt::Debug for NativeForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NativeForm({})", self.programs.join(" | "))
    }
}

/// What the named volume of one generation of data is called: `db`, `db.2`, `db.3`.
#[must_use]
pub fn volume_name(base: &str, generation: u32) -> String {
    if generation <= 1 {
        base.to_owned()
    } else {
        format!("{base}.{generation}")
    }
}

pub(super) fn base_of(name: &str, generation: u32) -> String {
    let suffix = format!(".{generation}");
    let base = name.strip_suffix(&suffix).filter(|_| generation > 1);
    base.unwrap_or(name).to_owned()
}

/// Who may connect to a managed service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Credentials {
    /// The user's name.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The database.
    pub database: Option<String>,
}

/// How the credentials in a service's data are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeCredentials {
    /// As SQL that PostgreSQL understands.
    Postgres,
    /// As SQL that MySQL and MariaDB understand.
    Mysql,
}

/// A text that never shows in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for where it has to be told.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// How data gets into another major, or onto another engine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Transfer {
    /// Its files are copied while it is stopped.
    #[default]
    Files,
    /// A dump is written by the old server and read by the new one. Commands run inside the instance; `{file}` is the
    /// dump.
    Dump {
        /// Writes `{file}`.
        dump: Vec<String>,
        /// Reads `{file}`.
        restore: Vec<String>,
    },
}

/// A protocol that locald speaks to ask a managed service whether it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceProtocol {
    /// PostgreSQL: logs in and asks `SELECT 1`.
    Postgres,
    /// MySQL and MariaDB: logs in and asks `SELECT 1`.
    Mysql,
    /// Redis and Valkey: `AUTH`, `PING`.
    Redis,
    /// MongoDB: logs in, `ping`.
    Mongodb,
    /// AMQP 0-9-1: opens a connection with the credentials.
    Amqp,
    /// NATS: `CONNECT`, `PING`.
    Nats,
    /// Memcached: `version`.
    Memcached,
    /// MQTT 3.1.1: `CONNECT`.
    Mqtt,
    /// Kafka: `ApiVersions`.
    Kafka,
    /// etcd: `GET /health` says `"health":"true"`.
    Etcd,
    /// ClickHouse's HTTP interface: `SELECT 1` with the credentials.
    Clickhouse,
    /// SMTP: a greeting of 220.
    Smtp,
}

/// How programs of this machine connect to a service.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The URL to copy, password and all.
    pub url: String,
    /// The same with `…` in the password's place.
    pub masked_url: String,
    /// Environment variables that programs expect: `DATABASE_URL`, `PGHOST`.
    pub env: BTreeMap<String, String>,
    /// The client to call it with: `psql postgres://…`; secrets are not in it, but in `client_env`.
    pub client: Option<Vec<String>>,
    /// Environment of the client, where secrets are.
    pub client_env: BTreeMap<String, String>,
    /// Its web console.
    pub console: Option<String>,
}

/// The URL without its password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.masked_url)
    }
}
