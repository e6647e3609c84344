//! Starting.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use locald_core::{
    ProblemCode,
    instance::PublishedPort,
    spec::{ServiceSpec, Signal, Source},
};
use locald_engine::{EngineError, EngineEventKind, InstanceSpec, StartedInstance, StopRequest};
use sha2::{Digest as _, Sha256};

use super::{Shared, data, managed::Plan, ports, stop, time, watch};
use crate::{
    Launch, Owner, process,
    record::{self, Instance, Place},
    servers::executable,
    wire::Begun,
};

/// What one start works with.
struct Starting<'a> {
    shared: &'a Arc<Shared>,
    spec: &'a InstanceSpec,
    place: Place,
    name: String,
}

pub(super) async fn start(shared: &Arc<Shared>, spec: &InstanceSpec) -> Result<StartedInstance, EngineError> {
    let service = &spec.service.id;
    let turn = shared.turn(service);
    let _turn = turn.lock().await;
    let starting = Starting {
        shared,
        spec,
        place: shared.place(service),
        name: spec.instance_name(),
    };
    let before = match starting.place.instance() {
        Ok(before) => before,
        Err(error) => return Err(starting.failed(&error)),
    };
    let hash = spec.service.hash();
    let mut kept = None;
    if let Some(before) = before {
        if starting.make_way(&before, &hash).await? {
            return Ok(StartedInstance {
                id: before.id.as_str().into(),
                reused: true,
            });
        }
        if before.spec_hash == hash {
            kept = Some(before);
        } else {
            stop::forget(shared, &starting.place, &before).map_err(|error| starting.failed(&error))?;
        }
    }
    let reused = kept.is_some();
    match starting.begin(kept.as_ref(), hash).await {
        Ok(instance) => Ok(StartedInstance {
            id: instance.id.as_str().into(),
            reused,
        }),
        Err(error) => {
            if !reused {
                starting.clear();
            }
            Err(error)
        }
    }
}

impl Starting<'_> {
    fn failed(&self, error: &io::Error) -> EngineError {
        data::start_error(&self.name, error)
    }

    fn refused(&self, code: ProblemCode, detail: String) -> EngineError {
        EngineError::Start {
            name: self.name.clone(),
            code,
            detail,
        }
    }

    /// Ends what runs of an earlier spec; `true` when the wanted one runs already.
    async fn make_way(&self, before: &Instance, hash: &str) -> Result<bool, EngineError> {
        let run = watch::keep(self.shared, &self.place)
            .await
            .map_err(|error| self.failed(&error))?;
        let Some(run) = run.filter(|run| !run.over) else {
            return Ok(false);
        };
        if before.spec_hash == hash && run.exit.is_none() && run.main.seen().is_some() {
            watch::watch(self.shared, &self.place, before);
            return Ok(true);
        }
        let request = StopRequest {
            signal: None,
            grace: self.spec.service.stop_grace,
        };
        let ended = stop::end(self.shared, &self.place, before, request).await;
        ended.map_err(|detail| {
            self.refused(
                ProblemCode::StopFailed,
                format!("the one before it could not be ended: {detail}"),
            )
        })?;
        Ok(false)
    }

    async fn begin(&self, kept: Option<&Instance>, hash: String) -> Result<Instance, EngineError> {
        let service = &self.spec.service;
        let owner = self.shared.owner().ok().flatten();
        let user = service.managed().and(owner);
        let failed = |error: io::Error| self.failed(&error);
        self.shared.private_folder(&self.place.0, owner).map_err(failed)?;
        let had = kept.map_or(&[][..], |kept| &kept.ports);
        let ports =
            ports::choose(self.shared, &service.id, &service.ports, had).map_err(|refusal| refusal.of(&self.name))?;
        let run = self
            .shared
            .run_folder(&self.place.0, user)
            .map_err(|detail| self.refused(ProblemCode::StartFailed, detail))?;
        self.shared.private_folder(&run, user).map_err(failed)?;
        let plan = match &service.source {
            Source::Managed(managed) => self.shared.plan(self.spec, managed, &run, &ports).await?,
            Source::Process { command } => self.process(service, command, &ports)?,
            Source::Container { .. } => {
                return Err(self
                    .shared
                    .unfit(self.spec, "it is a container, and this engine runs processes"));
            }
        };
        let logs = self.shared.logs_of(&service.id);
        self.shared.private_folder(&logs, None).map_err(failed)?;
        let usual = match service.managed().and_then(|managed| managed.native.as_ref()) {
            // To PostgreSQL, TERM means: when all clients have gone.
            Some(form) if form.postgres => Signal::INT,
            _ => Signal::TERM,
        };
        let instance = Instance {
            id: kept.map_or_else(|| new_id(service), |kept| kept.id.clone()),
            service: service.id.clone(),
            spec_hash: hash,
            launch: plan.launch,
            ports,
            run,
            logs,
            data: plan.data,
            bin: plan.bin,
            client_env: plan.client_env,
            stop_signal: service.stop_signal.unwrap_or(usual).0,
        };
        self.place.write_instance(&instance).map_err(failed)?;
        self.run(&instance).await?;
        let started = self.place.run().ok().flatten().and_then(|run| time(run.started_at));
        if kept.is_none() {
            self.shared
                .emit(&instance.id, &service.id, EngineEventKind::Created, started);
        }
        self.shared
            .emit(&instance.id, &service.id, EngineEventKind::Started, started);
        self.watch(&instance);
        Ok(instance)
    }

    async fn run(&self, instance: &Instance) -> Result<(), EngineError> {
        let begun = self
            .shared
            .monitor("run", &self.place)
            .await
            .map_err(|error| self.failed(&error))?;
        match begun {
            Begun::Running => Ok(()),
            Begun::NotRun { missing, detail } => {
                let program = instance.launch.program.display();
                Err(if missing {
                    self.refused(
                        ProblemCode::CommandNotFound,
                        format!("the program `{program}` does not exist on this machine"),
                    )
                } else {
                    self.refused(ProblemCode::CommandNotFound, detail)
                })
            }
            Begun::Held | Begun::Over => {
                Err(self.refused(ProblemCode::StartFailed, "another monitor holds it".to_owned()))
            }
            Begun::Failed { detail } => Err(self.refused(ProblemCode::StartFailed, detail)),
        }
    }

    /// One that ended before anybody could watch it has its end told all the same.
    fn watch(&self, instance: &Instance) {
        let Ok(Some(run)) = self.place.run() else { return };
        match run.exit {
            Some(exit) if run.over => {
                let facts = watch::facts(exit);
                let at = facts.at;
                self.shared
                    .emit(&instance.id, &instance.service, EngineEventKind::Exited(facts), at);
            }
            _ => watch::watch(self.shared, &self.place, instance),
        }
    }

    /// A plain process.
    fn process(&self, service: &ServiceSpec, command: &[String], ports: &[PublishedPort]) -> Result<Plan, EngineError> {
        let Some((program, args)) = command.split_first() else {
            return Err(self.refused(ProblemCode::CommandNotFound, "`command` is empty".to_owned()));
        };
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let workdir = service
            .workdir
            .as_ref()
            .map(PathBuf::from)
            .or(home)
            .unwrap_or_else(|| "/".into());
        if !workdir.is_dir() {
            let detail = format!("the folder {} (`workdir`) does not exist", workdir.display());
            return Err(self.refused(ProblemCode::StartFailed, detail));
        }
        let mut env = BTreeMap::new();
        if let Some(port) = ports.first() {
            env.insert("PORT".to_owned(), port.host_port.to_string());
        }
        env.extend(service.env.clone());
        let found = find_program(program, env.get("PATH").map(String::as_str), &workdir);
        let program = found.map_err(|detail| self.refused(ProblemCode::CommandNotFound, detail))?;
        Ok(Plan {
            launch: Launch {
                program,
                args: args.to_vec(),
                env,
                workdir,
                user: None::<Owner>,
            },
            data: None,
            bin: None,
            client_env: BTreeMap::new(),
        })
    }

    /// Leaves nothing of a start that failed.
    fn clear(&self) {
        let run = self.shared.run_folder(
            &self.place.0,
            self.spec.service.managed().and(self.shared.owner().ok().flatten()),
        );
        let runs = self
            .place
            .run()
            .ok()
            .flatten()
            .is_some_and(|run| !run.over && run.boot == process::boot());
        if runs {
            return;
        }
        let _ = self.place.forget();
        if let Ok(run) = run {
            let _ = std::fs::remove_dir_all(run);
        }
        let _ = std::fs::remove_dir_all(self.shared.logs_of(&self.spec.service.id));
        data::tidy(self.shared, &self.place);
    }
}

fn new_id(service: &ServiceSpec) -> String {
    let seed = format!("{} {} {}", service.id, record::now(), std::process::id());
    let digest = Sha256::digest(seed.as_bytes());
    let run: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("native:{}:{run}", service.id)
}

/// The program a word means: a path as seen from the folder it starts in, or a name on `PATH`.
pub(super) fn find_program(word: &str, path: Option<&str>, workdir: &Path) -> Result<PathBuf, String> {
    if word.contains('/') {
        let program = workdir.join(word);
        return match program.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(format!("the program `{word}` does not exist on this machine"))
            }
            Ok(_) if !executable(&program) => Err(format!(
                "the program `{word}` may not be run: chmod +x '{}'",
                program.display()
            )),
            Ok(_) | Err(_) => Ok(program),
        };
    }
    let path = path
        .map(Into::into)
        .or_else(|| std::env::var_os("PATH"))
        .unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| workdir.join(folder).join(word))
        .find(|program| executable(program))
        .ok_or_else(|| {
            format!(
                "the program `{word}` is not on this machine, or not in a folder of PATH ({})",
                path.display()
            )
        })
}
