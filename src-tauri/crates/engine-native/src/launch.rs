//! What a process is started with.

use std::{collections::BTreeMap, path::PathBuf};

/// What a process is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it gets beside the environment it inherits.
    pub env: BTreeMap<String, String>,
    /// The folder it starts in.
    pub workdir: PathBuf,
    /// Who it runs as, where that is somebody else.
    pub user: Option<Owner>,
}

/// A user and group of this machine, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}
