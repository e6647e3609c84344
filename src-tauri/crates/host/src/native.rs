//! The engine that needs none: processes of this machine.

use std::sync::Arc;

use locald_config::{Folders, Settings, catalog::Catalog};
use locald_core::EngineId;
use locald_engine::{EngineIdentity, EngineKind};
use locald_engine_native::{
    NativeEngine, NativeOptions,
    servers::{Sources, Wanted},
};

/// The native engine of these folders.
pub(crate) fn engine(folders: &Folders, settings: &Settings, catalog: &Catalog) -> Arc<NativeEngine> {
    let identity = EngineIdentity {
        id: EngineId::from(EngineKind::Native.as_str()),
        kind: EngineKind::Native,
        endpoint: "this machine".to_owned(),
        source: "always there".to_owned(),
    };
    let wanted = catalog
        .entries()
        .filter(|entry| !entry.native_programs().is_empty())
        .map(|entry| Wanted {
            entry: entry.name().to_owned(),
            programs: entry.native_programs().to_vec(),
            folders: entry.native_folders().to_vec(),
            version_parts: entry.version_parts(),
            postgres: entry.is_native_postgres(),
        });
    let options = NativeOptions {
        data: folders.data.clone(),
        state: folders.state.clone(),
        cache: folders.cache.clone(),
        runtime: folders.runtime.clone(),
        monitor: None,
        sources: Sources {
            find: settings.native_find,
            extra_postgres: settings.native_postgres.clone(),
            fetch: settings.native_fetch,
            path_env: std::env::var_os("PATH"),
            home: std::env::home_dir(),
            projects: Vec::new(),
            cache: Some(folders.cache.clone()),
        },
        wanted: wanted.collect(),
        releases: None,
    };
    Arc::new(NativeEngine::new(identity, options))
}
