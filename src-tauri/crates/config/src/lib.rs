//! Reads locald.toml and settings.toml into validated specs, with errors that show the line.

mod atomic;
pub mod catalog;
mod dependencies;
pub mod edit;
mod engine;
mod errors;
mod folders;
mod health_check;
mod image;
mod ports;
mod project;
pub mod provision;
mod quantities;
mod references;
mod services;
mod settings;
mod source;
mod text_edit;
mod volumes;
mod walk;

#[cfg(test)]
mod tests;

pub use atomic::write_atomically;
pub use errors::{ConfigErrors, Fault};
pub use folders::{Folders, FoldersError};
pub use project::{
    PERSONAL_PROJECT, PROJECT_FILE, ParseContext, ProjectFile, find_project, load_personal_project, load_project,
    parse_project, personal_project_path,
};
pub use settings::Settings;
