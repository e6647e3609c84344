//! `locald.toml`: a project and its services.

use std::path::{Path, PathBuf};

use locald_core::{ProjectName, ServiceSpec, id::NAME_LIMIT};

use crate::{
    catalog::Catalog,
    errors::{ConfigErrors, Found},
    folders::Folders,
    provision::Provision,
    services, source,
    walk::{Faults, Section},
};

/// What a project file is called.
pub const PROJECT_FILE: &str = "locald.toml";

/// The name of the project in the user's config folder.
pub const PERSONAL_PROJECT: &str = "personal";

/// A project file that holds no fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFile {
    /// The project's name.
    pub name: ProjectName,
    /// The folder of the file; relative paths in the file begin there.
    pub folder: PathBuf,
    /// The file.
    pub path: PathBuf,
    /// The services in the order of the file.
    pub services: Vec<ServiceSpec>,
}

/// What the text of a project file alone doesn't tell.
#[derive(Debug, Clone)]
pub struct ParseContext {
    /// Where relative paths begin. Its name is the project's when the file gives none.
    pub folder: PathBuf,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
    /// The file is the one in the user's config folder.
    pub personal: bool,
}

/// Where the personal project is.
#[must_use]
pub fn personal_project_path(folders: &Folders) -> PathBuf {
    folders.config.join(PROJECT_FILE)
}

/// The nearest `locald.toml` at or above a folder. Whatever has that name counts, even what can't be read, so
/// that a slip is told rather than passed over.
#[must_use]
pub fn find_project(start: &Path) -> Option<PathBuf> {
    let start = std::path::absolute(start).ok()?;
    start
        .ancestors()
        .map(|folder| folder.join(PROJECT_FILE))
        .find(|path| path.symlink_metadata().is_ok())
}

/// Reads a project's file. `provision` is only asked when the file has no fault.
///
/// # Errors
/// When the file can't be read or has faults: all of them.
pub fn load_project(
    path: &Path,
    catalog: &Catalog,
    provision: &mut dyn Provision,
) -> Result<ProjectFile, ConfigErrors> {
    load(path, false, catalog, provision)
}

/// Reads the personal project.
///
/// # Errors
/// As [`load_project`].
pub fn load_personal_project(
    folders: &Folders,
    catalog: &Catalog,
    provision: &mut dyn Provision,
) -> Result<ProjectFile, ConfigErrors> {
    load(&personal_project_path(folders), true, catalog, provision)
}

fn load(
    path: &Path,
    personal: bool,
    catalog: &Catalog,
    provision: &mut dyn Provision,
) -> Result<ProjectFile, ConfigErrors> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = source::read(&path)?;
    parse_project(&path, &text, &ParseContext::of(&path, personal), catalog, provision)
}

impl ParseContext {
    /// Of a file at this absolute path.
    pub(crate) fn of(path: &Path, personal: bool) -> Self {
        Self {
            folder: path.parent().unwrap_or(path).to_owned(),
            home: std::env::home_dir().filter(|home| home.is_absolute()),
            personal,
        }
    }
}

/// Reads a project file's text. `provision` is only asked when the text has no fault.
///
/// # Errors
/// All faults of the text.
pub fn parse_project(
    path: &Path,
    text: &str,
    context: &ParseContext,
    catalog: &Catalog,
    provision: &mut dyn Provision,
) -> Result<ProjectFile, ConfigErrors> {
    let document = source::parse(path, text)?;
    let faults = Faults::new(text);
    let root = Section::root(document.as_table());
    root.check_keys(&faults, &["project", "services"], &[]);
    let name = name(&root, &faults, context);
    let services = match root.get("services").and_then(|node| node.table(&faults)) {
        Some(section) => services::read(&section, name.as_ref(), &faults, context, catalog, provision),
        None => Vec::new(),
    };
    let found = faults.into_found();
    match name {
        Some(name) if found.is_empty() => Ok(ProjectFile {
            name,
            folder: context.folder.clone(),
            path: path.to_owned(),
            services,
        }),
        _ => Err(ConfigErrors::in_text(path, text, found)),
    }
}

/// The project's name; a fault is noted whenever there is none.
fn name(root: &Section<'_>, faults: &Faults<'_>, context: &ParseContext) -> Option<ProjectName> {
    let node = match root.get("project") {
        Some(project) => {
            let section = project.table(faults)?;
            section.check_keys(faults, &["name"], &[]);
            section.get("name")
        }
        None => None,
    };
    let (name, span) = match node {
        Some(node) => {
            let text = node.text(faults)?;
            match ProjectName::new(text) {
                Ok(name) => (name, node.span),
                Err(error) => {
                    let fault = Found::new(node.span, error.to_string()).label("this name");
                    faults.push(match normalise(text) {
                        Some(near) => fault.help(format!("write name = \"{near}\"")),
                        None => fault,
                    });
                    return None;
                }
            }
        }
        None if context.personal => return ProjectName::new(PERSONAL_PROJECT).ok(),
        None => {
            let folder = context.folder.file_name().unwrap_or_default().to_string_lossy();
            let Some(name) = normalise(&folder).and_then(|name| ProjectName::new(&name).ok()) else {
                let message = format!("no project name can be made from the folder's name, `{folder}`");
                faults
                    .push(Found::new(0..0, message).help("give the project a name:\n[project]\nname = \"my-project\""));
                return None;
            };
            (name, 0..0)
        }
    };
    if name.as_str() == PERSONAL_PROJECT && !context.personal {
        let message = format!("`{PERSONAL_PROJECT}` is the name of the project in your config folder");
        faults
            .push(Found::new(span, message).help("give this project another name:\n[project]\nname = \"my-project\""));
        return None;
    }
    Some(name)
}

/// Makes a name of any text: lower case, and a `-` for each run of characters that names can't have.
pub(crate) fn normalise(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.') {
            name.push(c);
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(NAME_LIMIT + name.len() - name.trim_start_matches(['-', '_', '.']).len());
    let name = name.trim_matches(['-', '_', '.']);
    (!name.is_empty()).then(|| name.to_owned())
}
