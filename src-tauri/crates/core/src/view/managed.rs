//! What surfaces show of the catalog, of a service's connection, its snapshots, and the trash.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{EngineId, ServiceId, spec::Connection};

/// A catalog entry to choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CatalogItem {
    /// `postgres`.
    pub name: String,
    /// `PostgreSQL`.
    pub title: String,
    /// What it is, in a few words: `relational database`.
    pub description: String,
    /// Versions, newest first.
    pub versions: Vec<String>,
    /// The one that is meant when none is named: one whose server is on this machine, else the catalog's.
    pub default_version: String,
    /// Versions whose server is on this machine.
    pub here: Vec<String>,
    /// Its icon: an SVG document of one colour (`currentColor`), from the catalog.
    pub icon: Option<String>,
    /// Is it a person's own entry?
    pub own: bool,
}

/// How programs connect to a service: what a person copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ConnectionView {
    /// The URL, password and all.
    pub url: String,
    /// The same with `…` in the password's place.
    pub masked_url: String,
    /// Environment variables: `DATABASE_URL`, `PGHOST`.
    pub env: BTreeMap<String, String>,
    /// A command line for a shell that opens the client.
    pub client: Option<String>,
    /// Its web console.
    pub console: Option<String>,
}

impl ConnectionView {
    /// As a surface shows it; `client` is the command line to show.
    #[must_use]
    pub fn of(connection: &Connection, client: Option<String>) -> Self {
        Self {
            url: connection.url.clone(),
            masked_url: connection.masked_url.clone(),
            env: connection.env.clone(),
            client,
            console: connection.console.clone(),
        }
    }
}

/// A saved state of a service's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SavedSnapshot {
    /// Its name.
    pub name: String,
    /// Whose data.
    pub service: ServiceId,
    /// When it was saved.
    #[cfg_attr(test, ts(as = "String"))]
    pub at: Timestamp,
    /// Bytes on disk.
    #[cfg_attr(test, ts(type = "number"))]
    pub size_bytes: u64,
    /// The engine it was taken on.
    pub engine: EngineId,
    /// `PostgreSQL 17`.
    pub origin: String,
}

/// Something in the trash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TrashItem {
    /// By which it is named: `shop-db-20260101T100000`.
    pub id: String,
    /// Whose data it was.
    pub service: ServiceId,
    /// `PostgreSQL 17`.
    pub origin: String,
    /// The engine that holds it.
    pub engine: EngineId,
    /// When it was put there.
    #[cfg_attr(test, ts(as = "String"))]
    pub at: Timestamp,
    /// Why: `removed`, `replaced by a snapshot`, `moved to docker`, `upgraded to 17`, `started empty`.
    pub why: String,
    /// Bytes, where they are cheap to know.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub size_bytes: Option<u64>,
}
