//! The window's types in TypeScript: the checked-in files have to be what these types are.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use ts_rs::{Config, TS, TypeVisitor};

use super::{
    dashboard::{DashboardChange, DashboardView},
    managed::{CatalogItem, ConnectionView, SavedSnapshot, TrashItem},
    stream::{LogBatch, ShowService, StatsView},
};

const REWRITE: &str = "LOCALD_WRITE_BINDINGS=1 cargo nextest run -p locald-core bindings";

/// Renders a type and all that it is made of, by file name.
#[derive(Default)]
struct Rendered(BTreeMap<PathBuf, String>);

impl TypeVisitor for Rendered {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if let Some(file) = T::output_path() {
            if self.0.contains_key(&file) {
                return;
            }
            let text = T::export_to_string(&Config::default()).unwrap();
            let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
            self.0.insert(file, lines.join("\n") + "\n");
        }
        T::visit_generics(self);
        T::visit_dependencies(self);
    }
}

#[test]
fn the_checked_in_bindings_are_what_the_types_are() {
    let mut rendered = Rendered::default();
    rendered.visit::<DashboardView>();
    rendered.visit::<DashboardChange>();
    rendered.visit::<LogBatch>();
    rendered.visit::<StatsView>();
    rendered.visit::<ShowService>();
    rendered.visit::<CatalogItem>();
    rendered.visit::<ConnectionView>();
    rendered.visit::<SavedSnapshot>();
    rendered.visit::<TrashItem>();

    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../ui/src/lib/bindings");
    let checked_in: BTreeMap<PathBuf, String> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().into(), fs::read_to_string(&path).unwrap()))
        .collect();
    let stale: Vec<&PathBuf> = rendered
        .0
        .iter()
        .filter(|(file, text)| checked_in.get(*file) != Some(*text))
        .map(|(file, _)| file)
        .collect();
    let left_over: Vec<&PathBuf> = checked_in
        .keys()
        .filter(|file| !rendered.0.contains_key(*file))
        .collect();
    if std::env::var_os("LOCALD_WRITE_BINDINGS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for file in stale {
            fs::write(folder.join(file), &rendered.0[file]).unwrap();
        }
        for file in left_over {
            fs::remove_file(folder.join(file)).unwrap();
        }
        return;
    }
    if !stale.is_empty() || !left_over.is_empty() {
        panic!(
            "ui/src/lib/bindings is not what the types are: stale {stale:?}, left over {left_over:?}; rewrite it with\n{REWRITE}"
        );
    }
}
