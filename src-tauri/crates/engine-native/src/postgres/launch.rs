//! What a server is started with.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use locald_core::{ProblemCode, spec::Managed};

use super::{
    Options, check,
    create::same_version,
    fault::Fault,
    holder,
    program::{not_as_root, reachable},
};
use crate::{Launch, servers::Installation};

/// The longest path of a Unix socket, by the smallest of the systems' limits, and what PostgreSQL adds to the folder's.
const SOCKET_PATH: usize = 103;
const SOCKET_NAME: usize = "/.s.PGSQL.65535".len();

/// Clears up after a killed server and gives what the next one is started with.
pub(crate) fn launch(
    options: &Options,
    installation: &Installation,
    managed: &Managed,
    data: &Path,
    run: &Path,
    port: u16,
) -> Result<Launch, Fault> {
    not_as_root(options.owner)?;
    same_version(installation, managed)?;
    let facts = check::check(options, data)?.ok_or_else(|| {
        Fault::new(
            ProblemCode::StartFailed,
            format!("there is no data in {}", data.display()),
        )
    })?;
    if facts.format.as_deref() != Some(managed.version.as_str()) {
        return Err(Fault::new(
            ProblemCode::VersionDiffers,
            format!(
                "the data in {} is of PostgreSQL {}, and the service is {}",
                data.display(),
                facts.format.unwrap_or_default(),
                managed.version
            ),
        ));
    }
    reachable(&installation.bin, options.owner)?;
    reachable(data, options.owner)?;
    holder::clear(data)?;
    let sockets = sockets(run);
    if let Some(folder) = &sockets {
        clear_sockets(folder);
    }
    let socket_folder = sockets.map_or_else(String::new, |folder| folder.to_string_lossy().into_owned());
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", in_list(&socket_folder)),
        "unix_socket_permissions=0700".to_owned(),
        // Its output is locald's to keep.
        "logging_collector=off".to_owned(),
        "log_destination=stderr".to_owned(),
        "lc_messages=C".to_owned(),
        // Whatever the data's own settings say: no committed row is lost.
        "fsync=on".to_owned(),
        "full_page_writes=on".to_owned(),
    ];
    let mut args = vec![
        "-D".to_owned(),
        data.to_string_lossy().into_owned(),
        "-p".to_owned(),
        port.to_string(),
    ];
    for setting in settings {
        args.extend(["-c".to_owned(), setting]);
    }
    let native = managed.native.as_ref();
    let fill = |text: &String| {
        text.replace("{data}", &data.to_string_lossy())
            .replace("{run}", &run.to_string_lossy())
            .replace("{bin}", &installation.bin.to_string_lossy())
    };
    args.extend(native.iter().flat_map(|native| native.args.iter().map(fill)));
    let mut env = BTreeMap::from([("LC_ALL".to_owned(), "C".to_owned())]);
    env.extend(
        native
            .iter()
            .flat_map(|native| native.env.iter().map(|(name, value)| (name.clone(), fill(value)))),
    );
    Ok(Launch {
        program: installation.program.clone(),
        args,
        env,
        workdir: data.to_owned(),
        user: options.owner,
    })
}

/// Without a Unix socket it works as well, and a folder with a long name is no reason not to.
fn sockets(run: &Path) -> Option<PathBuf> {
    (run.as_os_str().len() + SOCKET_NAME <= SOCKET_PATH).then(|| run.to_owned())
}

/// A folder name as an entry of one of PostgreSQL's lists.
fn in_list(folder: &str) -> String {
    if folder.is_empty() {
        return String::new();
    }
    format!("\"{}\"", folder.replace('"', "\"\""))
}

/// Nobody works in the data folder, and the socket folder belongs to it alone: what is there was left by a kill.
fn clear_sockets(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(".s.PGSQL.") {
            // Where that fails PostgreSQL says so, and better.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
