//! Commands beside an instance, in its environment, and files that they read and write.

use std::{
    fs, io,
    io::Read as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
};

use locald_core::InstanceId;
use locald_engine::{EngineError, ExecOutcome};
use tokio::process::Command;

use super::{
    Shared,
    managed::{Places, give},
    start::find_program,
};
use crate::{
    Launch, process,
    record::{Instance, gone_is_fine},
};

/// So much of a command's output is kept.
const OUTPUT_LIMIT: usize = 64 * 1024;

fn failed(id: &InstanceId, detail: impl ToString) -> EngineError {
    EngineError::Exec {
        instance: id.to_string(),
        detail: detail.to_string(),
    }
}

fn running(shared: &Shared, id: &InstanceId) -> Result<Instance, EngineError> {
    let (_, place) = shared
        .place_of(id)
        .ok_or_else(|| failed(id, "it does not exist any more"))?;
    let run = place.run().map_err(|error| failed(id, error))?;
    let runs = run.is_some_and(|run| !run.over && run.boot == process::boot() && run.main.seen().is_some());
    let instance = place.instance().map_err(|error| failed(id, error))?;
    instance.filter(|_| runs).ok_or_else(|| failed(id, "it does not run"))
}

fn filled(instance: &Instance, text: &str) -> String {
    let places = Places {
        data: instance.data.as_deref(),
        run: &instance.run,
        bin: instance.bin.as_deref(),
    };
    places.fill(text)
}

/// A command in the environment of what is launched, with the folder `bin` first on `PATH`.
pub(super) fn command(launch: &Launch, program: &str, args: &[String], bin: Option<&Path>) -> io::Result<Command> {
    let mut env = launch.environment(std::env::vars());
    if let Some(bin) = bin {
        let path = env.get("PATH").cloned().unwrap_or_default();
        let folders = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).map_err(io::Error::other)?;
        env.insert("PATH".to_owned(), path.to_string_lossy().into_owned());
    }
    let path = env.get("PATH").map(String::as_str);
    let found = find_program(program, path, &launch.workdir);
    let found = found.map_err(|detail| io::Error::new(io::ErrorKind::NotFound, detail))?;
    let mut command = Command::new(found);
    command.args(args).env_clear().envs(env).current_dir(&launch.workdir);
    if let Some(user) = launch.user {
        command.uid(user.uid).gid(user.gid);
    }
    Ok(command)
}

pub(super) async fn exec(shared: &Shared, id: &InstanceId, words: &[String]) -> Result<ExecOutcome, EngineError> {
    let instance = running(shared, id)?;
    let words: Vec<String> = words.iter().map(|word| filled(&instance, word)).collect();
    let Some((program, args)) = words.split_first() else {
        return Err(failed(id, "the command is empty"));
    };
    let mut launch = instance.launch.clone();
    launch.env.extend(instance.client_env.clone());
    let (mut reader, writer) = io::pipe().map_err(|error| failed(id, error))?;
    let mut command = command(&launch, program, args, instance.bin.as_deref()).map_err(|error| failed(id, error))?;
    let errors = writer.try_clone().map_err(|error| failed(id, error))?;
    command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| failed(id, error))?;
    // It holds ends of the pipe.
    drop(command);
    let output = tokio::task::spawn_blocking(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            let room = OUTPUT_LIMIT.saturating_sub(kept.len()).min(count);
            kept.extend_from_slice(&buffer[..room]);
        }
        kept
    });
    let status = child.wait().await.map_err(|error| failed(id, error))?;
    let output = output.await.unwrap_or_default();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    Ok(ExecOutcome {
        code: status.code().or(signal.map(|signal| 128 + signal)).unwrap_or(-1),
        output: String::from_utf8_lossy(&output).into_owned(),
    })
}

async fn copied(id: &InstanceId, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), EngineError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(id, error)),
        Err(error) => Err(failed(id, error)),
    }
}

pub(super) async fn copy_out(shared: &Shared, id: &InstanceId, path: &str, to: &Path) -> Result<(), EngineError> {
    let instance = running(shared, id)?;
    let from = PathBuf::from(filled(&instance, path));
    let to = to.to_owned();
    copied(id, move || {
        gone_is_fine(fs::remove_file(&to))?;
        copy(&from, &to)
    })
    .await
}

pub(super) async fn copy_in(shared: &Shared, id: &InstanceId, from: &Path, path: &str) -> Result<(), EngineError> {
    let instance = running(shared, id)?;
    let to = PathBuf::from(filled(&instance, path));
    let (from, user) = (from.to_owned(), instance.launch.user);
    copied(id, move || {
        gone_is_fine(fs::remove_file(&to))?;
        copy(&from, &to)?;
        give(&to, user)
    })
    .await
}

/// What is copied may be a dump: nobody else reads the copy.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = fs::File::open(from)?;
    let mut target = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let done = io::copy(&mut source, &mut target).and_then(|_| target.sync_all());
    if done.is_err() {
        let _ = fs::remove_file(to);
    }
    done?;
    let executable = source.metadata()?.permissions().mode() & 0o100;
    fs::set_permissions(to, fs::Permissions::from_mode(0o600 | executable))
}
