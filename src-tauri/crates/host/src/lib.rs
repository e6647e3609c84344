//! The host: the one process per user that runs the supervisor. It feeds facts and commands through
//! `locald-core`'s transition, carries out the effects, and publishes snapshots.

pub mod control;
mod effects;
mod engines;
mod host;
mod link;
mod lock;
mod logs;
mod managed;
mod native;
mod probe;
mod projects;
mod store;
mod supervisor;

pub use host::{Host, HostError, HostHandle, HostOptions, NotificationSettings, RequestError, ShellRequest};
pub use lock::{HostLock, LockError};
pub use logs::LogItem;
pub use supervisor::{Clock, Step, Supervisor, SupervisorHandle};

pub use locald_config as config;
pub use locald_engine as engine;
