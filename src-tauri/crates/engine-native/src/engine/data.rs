//! The data of managed services. It is never overwritten: what is made or restored is made beside and moved into a place
//! where nothing is.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use locald_core::{ProblemCode, spec::Managed};
use locald_engine::{DataFacts, EngineError, InstanceSpec};
use serde::{Deserialize, Serialize};

use super::{Shared, managed::give};
use crate::{
    Owner, process,
    record::{self, Place, gone_is_fine},
};

/// What a data folder that locald made is for; beside the folder, since some servers want theirs to themselves.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    entry: String,
    format: Option<String>,
}

/// Which kind of fault it is.
fn code(error: &io::Error) -> ProblemCode {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ProblemCode::DiskFull,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ProblemCode::DataNotPermitted,
        _ => ProblemCode::StartFailed,
    }
}

pub(super) fn start_error(name: &str, error: &io::Error) -> EngineError {
    EngineError::Start {
        name: name.to_owned(),
        code: code(error),
        detail: error.to_string(),
    }
}

fn data_error(spec: &InstanceSpec, verb: &'static str, error: &io::Error) -> EngineError {
    EngineError::Data {
        service: spec.service.id.to_string(),
        verb,
        code: match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::AlreadyExists => ProblemCode::DataForeign,
            _ => code(error),
        },
        detail: error.to_string(),
    }
}

/// The folder of its data, `None` when it keeps none.
pub(super) fn folder(shared: &Shared, spec: &InstanceSpec, managed: &Managed) -> Option<PathBuf> {
    let form = managed.native.as_ref()?;
    let texts = form.args.iter().chain(form.init.iter().flatten());
    let texts = texts.chain(form.files.values()).chain(form.env.values());
    let keeps = form.postgres || texts.into_iter().any(|text| text.contains("{data}"));
    keeps.then(|| shared.place(&spec.service.id).0.join(managed.generation.to_string()))
}

pub(super) fn is_empty(data: &Path) -> bool {
    match fs::read_dir(data) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn mark_of(data: &Path) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

pub(super) fn write_mark(data: &Path, managed: &Managed) -> io::Result<()> {
    let mark = Mark {
        entry: managed.entry.clone(),
        format: managed.data_format.clone(),
    };
    record::write(&mark_of(data), &mark)
}

/// What there is of the data of a service other than PostgreSQL.
pub(super) fn plain_facts(
    spec: &InstanceSpec,
    managed: &Managed,
    data: &Path,
) -> Result<Option<DataFacts>, EngineError> {
    let unread = |error: io::Error| {
        let told = io::Error::new(error.kind(), format!("{}: {error}", data.display()));
        data_error(spec, "read", &told)
    };
    match fs::read_dir(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unread(error)),
        Ok(mut entries) => match entries.next() {
            None => return Ok(None),
            Some(entry) => entry.map(drop).map_err(unread)?,
        },
    }
    let mark: Option<Mark> = match fs::read(mark_of(data)) {
        Ok(bytes) => serde_json::from_slice(&bytes).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(unread(error)),
    };
    match mark {
        Some(mark) if mark.entry == managed.entry => Ok(Some(DataFacts {
            place: data.display().to_string(),
            format: mark.format,
            size_bytes: None,
        })),
        Some(mark) => Err(data_error(
            spec,
            "read",
            &io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{} holds the data of {}, not of {}",
                    data.display(),
                    mark.entry,
                    managed.entry
                ),
            ),
        )),
        None => Err(data_error(
            spec,
            "read",
            &io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "there is something in {} that locald did not put there; nothing was changed",
                    data.display()
                ),
            ),
        )),
    }
}

/// Data of another version is never started on.
pub(super) fn refuse_other_format(name: &str, managed: &Managed, facts: Option<DataFacts>) -> Result<(), EngineError> {
    let Some(facts) = facts else { return Ok(()) };
    match (&facts.format, &managed.data_format) {
        (Some(has), Some(wanted)) if has != wanted => Err(EngineError::Start {
            name: name.to_owned(),
            code: ProblemCode::VersionDiffers,
            detail: format!(
                "the data in {} is from {} {has}, and this is {wanted}",
                facts.place, managed.title
            ),
        }),
        _ => Ok(()),
    }
}

/// A managed service with its data folder.
fn kept<'a>(shared: &Shared, spec: &'a InstanceSpec) -> Result<Option<(&'a Managed, PathBuf)>, EngineError> {
    let managed = spec
        .service
        .managed()
        .ok_or_else(|| shared.unfit(spec, "it keeps no data that locald knows of"))?;
    Ok(folder(shared, spec, managed).map(|data| (managed, data)))
}

pub(super) async fn facts(shared: &Shared, spec: &InstanceSpec) -> Result<Option<DataFacts>, EngineError> {
    let Some((managed, data)) = kept(shared, spec)? else {
        return Ok(None);
    };
    if managed.native.as_ref().is_some_and(|form| form.postgres) {
        let postgres = shared.postgres(shared.owner().ok().flatten());
        return postgres.check_data(&spec.service.id.to_string(), data).await;
    }
    plain_facts(spec, managed, &data)
}

fn idle(shared: &Shared, spec: &InstanceSpec, verb: &'static str) -> Result<Place, EngineError> {
    let place = shared.place(&spec.service.id);
    let run = place.run().map_err(|error| data_error(spec, verb, &error))?;
    if run.is_some_and(|run| !run.over && run.boot == process::boot()) {
        let error = io::Error::new(io::ErrorKind::ResourceBusy, "the service runs; stop it first");
        return Err(data_error(spec, verb, &error));
    }
    Ok(place)
}

async fn blocking(
    spec: &InstanceSpec,
    verb: &'static str,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<(), EngineError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| data_error(spec, verb, &error))
}

pub(super) async fn export(shared: &Shared, spec: &InstanceSpec, to: &Path) -> Result<(), EngineError> {
    let turn = shared.turn(&spec.service.id);
    let _turn = turn.lock().await;
    idle(shared, spec, "copied")?;
    let Some((_, data)) = kept(shared, spec)?.filter(|(_, data)| !is_empty(data)) else {
        let error = io::Error::new(io::ErrorKind::NotFound, "there is none");
        return Err(data_error(spec, "copied", &error));
    };
    let to = to.to_owned();
    blocking(spec, "copied", move || {
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&to)?;
        let done = write_archive(&data, file);
        if done.is_err() {
            let _ = fs::remove_file(&to);
        }
        done
    })
    .await
}

fn write_archive(data: &Path, file: File) -> io::Result<()> {
    let mut archive = tar::Builder::new(io::BufWriter::with_capacity(1 << 20, file));
    archive.follow_symlinks(false);
    append(&mut archive, data, Path::new("data"))?;
    let file = archive
        .into_inner()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

fn append<W: io::Write>(archive: &mut tar::Builder<W>, folder: &Path, name: &Path) -> io::Result<()> {
    archive.append_dir(name, folder)?;
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            append(archive, &path, &name)?;
        } else if !kind.is_socket() && !kind.is_fifo() {
            archive.append_path_with_name(&path, &name)?;
        }
    }
    Ok(())
}

pub(super) async fn import(shared: &Shared, spec: &InstanceSpec, from: &Path) -> Result<(), EngineError> {
    const VERB: &str = "restored";
    let turn = shared.turn(&spec.service.id);
    let _turn = turn.lock().await;
    idle(shared, spec, VERB)?;
    let Some((managed, data)) = kept(shared, spec)? else {
        return Err(shared.unfit(spec, "it keeps no data without a container"));
    };
    if !is_empty(&data) {
        let text = format!("there is data in {} already", data.display());
        return Err(data_error(
            spec,
            VERB,
            &io::Error::new(io::ErrorKind::AlreadyExists, text),
        ));
    }
    let user = shared.owner().ok().flatten();
    let above = shared.place(&spec.service.id).0;
    shared
        .private_folder(&above, user)
        .map_err(|error| data_error(spec, VERB, &error))?;
    let (from, managed) = (from.to_owned(), managed.clone());
    blocking(spec, VERB, move || {
        let new = data.with_file_name(format!(".{}.new", managed.generation));
        gone_is_fine(fs::remove_dir_all(&new))?;
        let done = read_archive(&from, &new, user)
            .and_then(|()| write_mark(&data, &managed))
            .and_then(|()| fs::rename(&new, &data))
            .and_then(|()| File::open(&above)?.sync_all());
        if done.is_err() {
            let _ = fs::remove_dir_all(&new);
        }
        done
    })
    .await
}

fn read_archive(from: &Path, new: &Path, user: Option<Owner>) -> io::Result<()> {
    let mut archive = tar::Archive::new(io::BufReader::with_capacity(1 << 20, File::open(from)?));
    fs::DirBuilder::new().create(new)?;
    // Folders that may not be written to are made so at the end.
    let mut folders = Vec::new();
    let mut found = false;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let plain = path
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let Ok(inner) = path
            .strip_prefix("./")
            .unwrap_or(&path)
            .strip_prefix("data")
            .map(Path::to_owned)
        else {
            continue;
        };
        if !plain {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the archive holds {}", path.display()),
            ));
        }
        found = true;
        entry.set_preserve_permissions(true);
        let target = new.join(&inner);
        if entry.header().entry_type().is_dir() {
            fs::create_dir_all(&target)?;
            folders.push((target, entry.header().mode()?));
            continue;
        }
        if entry.header().entry_type().is_hard_link() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the archive holds hard links",
            ));
        }
        if let Some(parent) = target.parent()
            // Never through a link that the archive itself brought.
            && parent.canonicalize()? != new.canonicalize()?.join(inner.parent().unwrap_or(Path::new("")))
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the archive writes through a link",
            ));
        }
        entry.unpack(&target)?;
        #[cfg(not(target_os = "linux"))]
        if target.symlink_metadata()?.is_file() {
            File::open(&target)?.sync_all()?;
        }
        if let Some(user) = user {
            std::os::unix::fs::lchown(&target, Some(user.uid), Some(user.gid))?;
        }
    }
    if !found {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the archive holds no data"));
    }
    for (folder, mode) in folders.into_iter().rev() {
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(mode & 0o7777))?;
        give(&folder, user)?;
    }
    // Whatever it was elsewhere: nobody else has a business here.
    fs::set_permissions(new, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    // All at once: a thousand files, each for itself, take seconds.
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(File::open(new)?)?;
    Ok(())
}

pub(super) async fn erase(shared: &Arc<Shared>, spec: &InstanceSpec) -> Result<(), EngineError> {
    const VERB: &str = "removed";
    let turn = shared.turn(&spec.service.id);
    let _turn = turn.lock().await;
    let Some((_, data)) = kept(shared, spec)? else {
        return Ok(());
    };
    let place = shared.place(&spec.service.id);
    let instance = place.instance().map_err(|error| data_error(spec, VERB, &error))?;
    if let Some(instance) = instance.filter(|instance| instance.data.as_ref() == Some(&data)) {
        idle(shared, spec, VERB)?;
        super::stop::forget(shared, &place, &instance).map_err(|error| data_error(spec, VERB, &error))?;
    }
    blocking(spec, VERB, move || {
        gone_is_fine(fs::remove_dir_all(&data))?;
        gone_is_fine(fs::remove_file(mark_of(&data)))
    })
    .await?;
    tidy(shared, &place);
    Ok(())
}

/// Removes a service's folder once there is neither an instance nor data in it.
pub(super) fn tidy(shared: &Shared, place: &Place) {
    let Ok(entries) = fs::read_dir(&place.0) else { return };
    let mut names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    if names.all(|name| name == "lock") {
        let _ = fs::remove_file(place.0.join("lock"));
        // Folders that aren't empty stay.
        let _ = fs::remove_dir(&place.0);
        if let Some(project) = place.0.parent().filter(|project| *project != shared.root()) {
            let _ = fs::remove_dir(project);
        }
    }
}
