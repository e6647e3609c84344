//! Data on its way by a dump: into another version, or onto another engine. Whatever goes wrong, also when locald ends in
//! the middle of it, the service has what it had.

use std::{net::TcpListener, path::Path, sync::Arc, time::Duration};

use locald_core::{
    EngineId, InstanceId, ServiceId,
    snapshot::{ServiceSnapshot, StateKind},
    spec::{Managed, Transfer},
    view::managed::TrashItem,
};
use locald_engine::{EngineKind, SharedEngine};

use super::{
    Keeper,
    gate::Closed,
    records::{Made, Meanwhile, Unfinished},
    work::{Held, failed, not_saved},
};
use crate::RequestError;

/// Output of a failed command that a person gets to see, in characters.
const SAID: usize = 600;

/// Between tries to go back to what was.
const AGAIN: Duration = Duration::from_secs(5);

/// What `psql` complains of whenever it reads a dump of all, and goes on: what is to be made anew is there already.
const ALWAYS_SAID: [&str; 4] = [
    "current user cannot be dropped",
    "already exists",
    "is being accessed by other users",
    "cannot drop a template database",
];

impl Keeper {
    /// Has the old server write all it has, and a new one, with data of its own, read it. No program can connect
    /// meanwhile: what it wrote would be lost.
    pub(super) async fn carry_dump(
        &self,
        held: Held,
        old: &SharedEngine,
        target: Option<EngineId>,
        made: Made,
        why: String,
    ) -> Result<Option<TrashItem>, RequestError> {
        let spec = Arc::clone(&held.spec);
        let service = &spec.id;
        let mut before = Unfinished {
            generation: self.gate.records.get(service).generation,
            engine: old.identity().id.clone(),
            ran: held.ran,
            attempt: None,
        };
        self.note_unfinished(service, Some(before.clone()))?;
        held.closed.let_start();
        let carried = match spec.managed() {
            Some(managed) => self.carry_through(service, managed, old, target, made).await,
            None => Err(RequestError::NotPossible(format!(
                "{service} is not made from the catalog"
            ))),
        };
        let discarded = match carried {
            Ok(()) => self.discard(&spec, old, held.folder.clone(), why).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &discarded {
            tracing::warn!(%service, %error, "data could not be carried over");
            before.attempt = self.begun(service);
            if let Err(not_yet) = self.go_back(service, &before, held.folder.clone()).await {
                tracing::warn!(%service, %not_yet, "it goes back as soon as it can");
                let keeper = self.clone();
                tokio::spawn(async move { keeper.undo(held.closed, before).await });
                return discarded.map(|_| None);
            }
        } else {
            self.meanwhile(service, None).await?;
            self.note_unfinished(service, None)?;
        }
        self.release(held).await;
        discarded.map(|discarded| discarded.map(|discarded| discarded.item()))
    }

    async fn carry_through(
        &self,
        service: &ServiceId,
        managed: &Managed,
        old: &SharedEngine,
        target: Option<EngineId>,
        made: Made,
    ) -> Result<(), RequestError> {
        let Transfer::Dump { dump, restore } = &managed.transfer else {
            return Err(RequestError::NotPossible(format!(
                "{service} has no way to carry its data into another version"
            )));
        };
        let ports = unknown_ports(self.gate.records.get(service).ports.len())
            .map_err(|error| RequestError::Failed(format!("no port is free: {error}")))?;
        let new = Made {
            version: managed.version.clone(),
            ..made.clone()
        };
        let meanwhile = |made| {
            Some(Meanwhile {
                made,
                ports: ports.clone(),
            })
        };
        self.meanwhile(service, meanwhile(made)).await?;
        let file = self.dump(service, old, dump).await?;
        self.bring_down(service).await?;
        let generation = self.next_generation(service)?;
        self.change(service, |record| {
            if let Some(before) = &mut record.unfinished {
                before.attempt = Some(generation);
            }
            record.generation = generation;
        })?;
        self.meanwhile(service, meanwhile(new)).await?;
        if let Some(target) = target {
            self.relocate(service, target).await;
        }
        self.fill(service, &file, restore).await?;
        self.bring_down(service).await
    }

    /// What was begun is set aside, and what was there before is in use again.
    async fn go_back(
        &self,
        service: &ServiceId,
        before: &Unfinished,
        folder: std::path::PathBuf,
    ) -> Result<(), RequestError> {
        let elsewhere = self
            .seen(service)
            .is_some_and(|seen| seen.engine.as_ref() != Some(&before.engine));
        match self.bring_down(service).await {
            // An engine that went away keeps nobody from what is on another.
            Err(error) if elsewhere => tracing::warn!(%service, %error, "it is left where it is"),
            down => down?,
        }
        if let Some(attempt) = before.attempt {
            self.set_aside(service, attempt, folder, "an attempt that failed").await;
        }
        self.change(service, |record| {
            record.generation = before.generation;
            record.meanwhile = None;
        })?;
        self.projects.refresh(service).await?;
        self.relocate(service, before.engine.clone()).await;
        self.note_unfinished(service, None)
    }

    /// The data that work under way has begun.
    fn begun(&self, service: &ServiceId) -> Option<u32> {
        self.gate.records.get(service).unfinished?.attempt
    }

    /// Undoes what another life of locald left half done.
    pub(crate) async fn undo(&self, closed: Closed, before: Unfinished) {
        let service = closed.service().clone();
        tracing::warn!(%service, "work on its data was cut short; it goes back to what it had");
        // As long as it takes, and it can't be started before: nothing is known of it while its engine is away, and its
        // engine may tell of it before its project is read.
        let known = |seen: &ServiceSnapshot| seen.state != StateKind::Unknown && !seen.external;
        loop {
            self.wait(&service, Duration::MAX, known).await;
            let undone = async {
                let (spec, folder, _) = self.take_down(&service).await?;
                self.go_back(&service, &before, folder.clone()).await?;
                Ok::<_, RequestError>((spec, folder))
            };
            match undone.await {
                Ok((spec, folder)) => {
                    let ran = before.ran;
                    self.release(Held {
                        spec,
                        folder,
                        ran,
                        closed,
                    })
                    .await;
                    return;
                }
                Err(error) => tracing::error!(%service, %error, "it could not go back yet"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// What a service is for a while, or again.
    pub(super) async fn meanwhile(
        &self,
        service: &ServiceId,
        meanwhile: Option<Meanwhile>,
    ) -> Result<(), RequestError> {
        self.change(service, |record| record.meanwhile = meanwhile)?;
        self.projects.refresh(service).await
    }

    fn note_unfinished(&self, service: &ServiceId, unfinished: Option<Unfinished>) -> Result<(), RequestError> {
        self.change(service, |record| record.unfinished = unfinished)
    }

    /// Has the old server write all it has.
    async fn dump(
        &self,
        service: &ServiceId,
        engine: &SharedEngine,
        command: &[String],
    ) -> Result<tempfile::TempPath, RequestError> {
        let seen = self.bring_up(service).await?;
        let instance = seen.instance.clone().ok_or_else(|| gone(service))?;
        let inside = inside(engine);
        run(engine, &instance, command, inside, "dumped").await?;
        let folder = self.scratch_folder()?;
        let to = tempfile::Builder::new()
            .prefix("dump-")
            .suffix(".sql")
            .tempfile_in(&folder)
            .map_err(not_saved)?
            .into_temp_path();
        let copied = engine.copy_out(&instance, inside, &to).await;
        forget(engine, &instance, inside).await;
        copied.map_err(|error| failed(&error))?;
        Ok(to)
    }

    async fn fill(&self, service: &ServiceId, dump: &Path, restore: &[String]) -> Result<(), RequestError> {
        let seen = self.bring_up(service).await?;
        let instance = seen.instance.clone().ok_or_else(|| gone(service))?;
        let engine = self.engine_of(service)?;
        let inside = inside(&engine);
        engine
            .copy_in(&instance, dump, inside)
            .await
            .map_err(|error| failed(&error))?;
        let restored = run(&engine, &instance, restore, inside, "restored").await;
        forget(&engine, &instance, inside).await;
        restored
    }
}

/// Ports that are free and that nobody was told.
fn unknown_ports(count: usize) -> std::io::Result<Vec<u16>> {
    // All of them held until the last is found, so that none comes twice.
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<Result<_, _>>()?;
    held.iter().map(|one| Ok(one.local_addr()?.port())).collect()
}

/// Where a dump lies for the server's own programs. `{run}` is the native engine's private folder of the instance.
fn inside(engine: &SharedEngine) -> &'static str {
    if engine.identity().kind == EngineKind::Native {
        "{run}/locald-dump.sql"
    } else {
        "/tmp/locald-dump.sql"
    }
}

async fn run(
    engine: &SharedEngine,
    instance: &InstanceId,
    command: &[String],
    file: &str,
    done: &str,
) -> Result<(), RequestError> {
    let command: Vec<String> = command.iter().map(|word| word.replace("{file}", file)).collect();
    let outcome = engine.exec(instance, &command).await.map_err(|error| failed(&error))?;
    let complaints: Vec<&str> = complaints(&outcome.output).collect();
    if outcome.code == 0 && complaints.is_empty() {
        return Ok(());
    }
    let said = if complaints.is_empty() {
        outcome.output.trim().to_owned()
    } else {
        complaints.join(" / ")
    };
    let said: String = said.chars().take(SAID).collect();
    let program = command.first().cloned().unwrap_or_default();
    Err(RequestError::Failed(format!(
        "the data was not {done}: `{program}` ended with code {}: {said}",
        outcome.code
    )))
}

/// `psql` goes on after an error, and ends as if there had been none.
fn complaints(output: &str) -> impl Iterator<Item = &str> {
    output.lines().filter(|line| {
        line.starts_with("psql:")
            && [" ERROR: ", " FATAL: ", " PANIC: "]
                .iter()
                .any(|level| line.contains(level))
            && !ALWAYS_SAID.iter().any(|said| line.contains(said))
    })
}

/// The dump has all the data in the clear: it doesn't stay inside.
async fn forget(engine: &SharedEngine, instance: &InstanceId, file: &str) {
    let command = ["rm", "-f", file].map(str::to_owned);
    if let Err(error) = engine.exec(instance, &command).await {
        tracing::warn!(%error, "a dump was left behind");
    }
}

fn gone(service: &ServiceId) -> RequestError {
    RequestError::Failed(format!("{service} is gone"))
}

#[cfg(test)]
mod tests {
    use super::complaints;

    #[test]
    fn what_psql_always_says_is_no_complaint_and_data_is_none_either() {
        let output = "psql:/run/d.sql:14: ERROR:  current user cannot be dropped\n\
            psql:/run/d.sql:20: ERROR:  role \"postgres\" already exists\n\
            a row that says ERROR: nothing\n\
            psql:/run/d.sql:99: ERROR:  could not extend file: No space left on device\n";
        let found: Vec<&str> = complaints(output).collect();
        assert_eq!(found.len(), 1);
        assert!(found.iter().all(|line| line.contains("No space left")));
    }
}
