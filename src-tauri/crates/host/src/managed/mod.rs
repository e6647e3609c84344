//! Managed services: what they are given, what is looked at before they start, and work on their data.

mod add;
mod carry;
mod choices;
mod dump;
mod file;
mod gate;
mod provisioner;
mod records;
mod saved;
mod snapshots;
mod trash;
mod undo;
mod work;

pub(crate) use gate::Gate;
pub(crate) use provisioner::Provisioner;

use locald_config::Folders;

use self::{saved::SavedStates, trash::Trash};
use crate::{projects::Projects, supervisor::SupervisorHandle};

/// Looks after the data of services.
#[derive(Clone)]
pub(crate) struct Keeper {
    pub(crate) supervisor: SupervisorHandle,
    pub(crate) projects: Projects,
    pub(crate) gate: Gate,
    trash: Trash,
    saved: SavedStates,
    folders: Folders,
}

impl Keeper {
    pub(crate) fn new(folders: &Folders, supervisor: SupervisorHandle, projects: Projects) -> Self {
        Self {
            gate: supervisor.gate().clone(),
            trash: Trash::open(folders.data.join("trash.json")),
            saved: SavedStates(folders.data.join("snapshots")),
            folders: folders.clone(),
            supervisor,
            projects,
        }
    }
}
