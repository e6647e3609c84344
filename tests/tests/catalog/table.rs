//! What an engine's column of the table holds, in the build folder, for `cargo xtask test` to print.

use std::{fs, path::PathBuf};

/// Entry, image, and the client that used it or why it couldn't.
pub type Row<'a> = (&'a str, &'a str, Result<&'static str, String>);

pub fn leave(column: &str, rows: &[Row<'_>]) {
    let text: String = rows
        .iter()
        .map(|(entry, image, used)| match used {
            Ok(client) => format!("{entry}\t{image}\tpass\t{client}\n"),
            Err(_) => format!("{entry}\t{image}\tFAIL\t\n"),
        })
        .collect();
    write(column, &text);
}

pub fn write(column: &str, text: &str) {
    let folder = folder();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{column}.tsv")), text).unwrap();
}

/// Waits until no other of these tests runs, and keeps others waiting while it lives.
pub fn alone() -> fs::File {
    let folder = folder();
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::File::create(folder.join("lock")).unwrap();
    tokio::task::block_in_place(|| lock.lock()).unwrap();
    lock
}

/// Cargo marks its build folder.
fn folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    target
        .map_or_else(std::env::temp_dir, std::path::Path::to_owned)
        .join("catalog")
}
