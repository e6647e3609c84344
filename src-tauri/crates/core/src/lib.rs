//! The pure heart of locald: what services should be, what they are seen to be, and what follows from a fact.
//!
//! Nothing here does I/O, reads a clock, or knows of tokio and tauri. The host feeds [`Event`]s into
//! [`transition`](transition::transition) and carries out the [`Effect`]s it returns; the surfaces render
//! the values that [`view`] derives from a [`Snapshot`].

pub mod event;
pub mod graph;
pub mod id;
pub mod instance;
pub mod offers;
pub mod problem;
pub mod restart;
pub mod snapshot;
pub mod spec;
pub mod state;
pub mod transition;
pub mod view;

pub use event::{Command, Effect, Event};
pub use id::{EngineId, InstanceId, ProjectName, ServiceId, ServiceName};
pub use problem::{Choice, Problem, ProblemCode};
pub use snapshot::Snapshot;
pub use spec::ServiceSpec;
pub use state::State;
