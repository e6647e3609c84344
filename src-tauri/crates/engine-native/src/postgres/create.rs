//! A new service's data: a copy of the template, or a spare, given its user, password and database.

use std::{
    io,
    path::{Path, PathBuf},
};

use locald_core::{ProblemCode, spec::Managed};

use super::{
    Options, copy,
    fault::Fault,
    program::{not_as_root, reachable},
    template::{self, BLANK_DATABASE, SUPERUSER, forget_older, lock, private_temp, single},
};
use crate::servers::Installation;

/// Makes the data folder, whole or not at all.
pub(crate) fn make(
    options: &Options,
    installation: &Installation,
    managed: &Managed,
    data: &Path,
) -> Result<(), Fault> {
    same_version(installation, managed)?;
    not_as_root(options.owner)?;
    let statements = statements(managed)?;
    let failed = |error: io::Error| Fault::file("could not make", data, &error);
    let (parent, name) = match (data.parent(), data.file_name()) {
        (Some(parent), Some(name)) => (parent, name.to_string_lossy().into_owned()),
        _ => {
            return Err(Fault::new(
                ProblemCode::DataForeign,
                format!("{} is no folder for data", data.display()),
            ));
        }
    };
    std::fs::create_dir_all(parent).map_err(failed)?;
    reachable(parent, options.owner)?;
    let _alone = lock(parent).map_err(failed)?;
    if data.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let detail = format!(
            "there is something in {} already; nothing was changed there",
            data.display()
        );
        return Err(Fault::new(ProblemCode::DataForeign, detail));
    }
    let fresh = private_temp(parent, &format!("{name}.tmp-"), options.owner).map_err(failed)?;
    let made = fresh.path().join("data");
    if !take_spare(options, installation, &made) {
        let template = template::make(options, installation)?;
        copy::tree(&template, &made, options.owner, copy::Modes::Private).map_err(failed)?;
        copy::sync(&made).map_err(failed)?;
    }
    single(installation, &made, &statements, options.owner)?;
    copy::settle(&made, data).map_err(failed)
}

/// Never a server of one major on data made by another.
pub(crate) fn same_version(installation: &Installation, managed: &Managed) -> Result<(), Fault> {
    if installation.version == managed.version {
        return Ok(());
    }
    Err(Fault::new(
        ProblemCode::VersionDiffers,
        format!(
            "the service is PostgreSQL {}, and {} is {}",
            managed.version,
            installation.program.display(),
            installation.full_version
        ),
    ))
}

/// How many are kept ready: a project often has two databases, one for its tests.
const SPARES: usize = 2;

/// Where spares of this server are, and the folder that they are in.
fn spares(options: &Options, installation: &Installation) -> Option<(PathBuf, Vec<PathBuf>)> {
    let parent = options.spares.clone()?;
    let fingerprint = template::fingerprint(installation, options.owner);
    let folders = (1..=SPARES)
        .map(|number| parent.join(format!("{fingerprint}.{number}")))
        .collect();
    Some((parent, folders))
}

/// Renaming is all it takes; whoever is second finds nothing there.
fn take_spare(options: &Options, installation: &Installation, made: &Path) -> bool {
    let spares = spares(options, installation).map(|(_, folders)| folders);
    spares
        .iter()
        .flatten()
        .any(|spare| std::fs::rename(spare, made).is_ok())
}

/// Has spares ready. They are on the disk already when they are taken, which is most of what makes a copy slow.
pub(crate) fn stock(options: &Options, installation: &Installation) -> Result<(), Fault> {
    let Some((parent, spares)) = spares(options, installation) else {
        return Ok(());
    };
    let template = template::make(options, installation)?;
    std::fs::create_dir_all(&parent).map_err(|error| Fault::file("could not make", &parent, &error))?;
    let names: Vec<_> = spares.iter().filter_map(|spare| spare.file_name()).collect();
    forget_older(&parent, &installation.version, &names);
    for spare in &spares {
        let failed = |error: io::Error| Fault::file("could not make", spare, &error);
        let _alone = lock(&parent).map_err(failed)?;
        if spare.exists() {
            continue;
        }
        let fresh = private_temp(&parent, ".spare-", options.owner).map_err(failed)?;
        let made = fresh.path().join("data");
        copy::tree(&template, &made, options.owner, copy::Modes::Private).map_err(failed)?;
        copy::sync(&made).map_err(failed)?;
        copy::settle(&made, spare).map_err(failed)?;
    }
    Ok(())
}

/// What gives a copy of the template its user, password and database.
fn statements(managed: &Managed) -> Result<String, Fault> {
    let credentials = &managed.credentials;
    let user = credentials.user.as_deref().unwrap_or(SUPERUSER);
    let database = credentials.database.as_deref().unwrap_or(user);
    let password = credentials.password.as_ref().map(locald_core::spec::Secret::reveal);
    let Some(password) = password.filter(|password| !password.is_empty()) else {
        return Err(Fault::new(
            ProblemCode::StartFailed,
            "PostgreSQL needs a password that isn't empty",
        ));
    };
    // Only what the server would store of it is told, not the password.
    let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
    let role = quoted(user)?;
    let mut statements = if user == SUPERUSER {
        format!("ALTER ROLE {role} PASSWORD '{verifier}';\n\n")
    } else {
        format!(
            "CREATE ROLE {role} SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS LOGIN PASSWORD '{verifier}';\n\n"
        )
    };
    if database == SUPERUSER {
        statements.push_str(&format!("DROP DATABASE {BLANK_DATABASE};\n\n"));
    } else {
        statements.push_str(&format!(
            "ALTER DATABASE {BLANK_DATABASE} RENAME TO {};\n\n",
            quoted(database)?
        ));
    }
    if user != SUPERUSER {
        statements.push_str(&format!("ALTER DATABASE {} OWNER TO {role};\n\n", quoted(database)?));
    }
    Ok(statements)
}

/// A name as SQL has it.
fn quoted(name: &str) -> Result<String, Fault> {
    if name.is_empty() || name.contains(char::is_control) {
        return Err(Fault::new(
            ProblemCode::StartFailed,
            format!("{name:?} can't be a name in PostgreSQL"),
        ));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}
