//! How an entry's server runs without a container.

use std::collections::BTreeMap;

use locald_core::spec::NativeForm;

use super::{
    Entry,
    template::{Template, Values},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NativeRecipe {
    pub(super) programs: Vec<String>,
    pub(super) folders: Vec<String>,
    pub(super) postgres: bool,
    pub(super) args: Vec<Template>,
    pub(super) files: BTreeMap<String, Template>,
    pub(super) init: Option<Vec<Template>>,
    pub(super) env: BTreeMap<String, Template>,
    pub(super) client_env: BTreeMap<String, Template>,
}

impl Entry {
    /// The programs that are its server, of which one is enough; none where it only runs as a container.
    #[must_use]
    pub fn native_programs(&self) -> &[String] {
        self.native.as_ref().map_or(&[], |native| &native.programs)
    }

    /// Folders to look for them in, before `PATH`.
    #[must_use]
    pub fn native_folders(&self) -> &[String] {
        self.native.as_ref().map_or(&[], |native| &native.folders)
    }

    /// Is it PostgreSQL, which has a way of its own?
    #[must_use]
    pub fn is_native_postgres(&self) -> bool {
        self.native.as_ref().is_some_and(|native| native.postgres)
    }

    /// How many numbers of a server's version count: 1 for `15`, 2 for `7.0`.
    #[must_use]
    pub fn version_parts(&self) -> usize {
        self.versions.parts
    }

    pub(super) fn native_form(&self, values: &Values<'_>) -> Option<NativeForm> {
        let native = self.native.as_ref()?;
        Some(NativeForm {
            programs: native.programs.clone(),
            folders: native.folders.clone(),
            postgres: native.postgres,
            args: fill_all(&native.args, values),
            files: fill_map(&native.files, values),
            init: native.init.as_ref().map(|init| fill_all(init, values)),
            env: fill_map(&native.env, values),
            client_env: fill_map(&native.client_env, values),
        })
    }
}

pub(super) fn fill_all(templates: &[Template], values: &Values<'_>) -> Vec<String> {
    templates.iter().map(|template| template.fill(values)).collect()
}

pub(super) fn fill_map(templates: &BTreeMap<String, Template>, values: &Values<'_>) -> BTreeMap<String, String> {
    templates
        .iter()
        .map(|(name, template)| (name.clone(), template.fill(values)))
        .collect()
}
