//! Ways out of a fault, carried out because a person chose one.

use std::{path::PathBuf, sync::Arc};

use locald_core::{Choice, Command, ServiceId, ServiceSpec, snapshot::StateKind};

use super::{
    Keeper, file,
    provisioner::next_free,
    records::{Made, Meanwhile},
    work::{failed, instance_of},
};
use crate::{RequestError, probe};

impl Keeper {
    /// Takes a way out of the fault that a service shows, and starts it.
    pub(crate) async fn choose(&self, service: &ServiceId, choice: Choice) -> Result<(), RequestError> {
        let (spec, folder) = self.declared(service).await?;
        match choice {
            Choice::KeepVersion => self.keep_version(&spec, folder).await?,
            Choice::Upgrade => return self.upgrade(&spec).await,
            Choice::StartEmpty => self.start_empty(service).await?,
            Choice::KeepCredentials => self.keep_credentials(&spec, folder).await?,
            Choice::ApplyCredentials => return self.apply_credentials(&spec).await,
            Choice::OtherPort => self.other_port(&spec, folder).await?,
            Choice::StopHolder => self.stop_holder(&spec).await?,
        }
        self.supervisor.command(Command::Start(vec![service.clone()])).await;
        Ok(())
    }

    async fn old_version(&self, spec: &Arc<ServiceSpec>) -> Result<String, RequestError> {
        // The data itself knows best.
        let engine = self.engine_of(&spec.id)?;
        let facts = engine.data(&instance_of(spec)).await.map_err(|error| failed(&error))?;
        facts
            .and_then(|facts| facts.format)
            .or_else(|| self.gate.records.made(spec).map(|made| made.version))
            .ok_or_else(|| {
                RequestError::NotPossible(format!("of which version the data of {} is isn't known", spec.id))
            })
    }

    async fn keep_version(&self, spec: &Arc<ServiceSpec>, folder: PathBuf) -> Result<(), RequestError> {
        let version = self.old_version(spec).await?;
        let name = spec.id.name.as_str();
        file::set(&folder, name, "version", &version, true)?;
        self.projects.refresh(&spec.id).await
    }

    /// Dumps with the old server, and has the new one read it.
    async fn upgrade(&self, spec: &Arc<ServiceSpec>) -> Result<(), RequestError> {
        let service = &spec.id;
        let engine = self.engine_of(service)?;
        let managed = spec
            .managed()
            .ok_or_else(|| RequestError::NotPossible(format!("{service} is not made from the catalog")))?;
        let version = self.old_version(spec).await?;
        let made = self.gate.records.made(spec);
        let old = Made {
            version,
            ..made.unwrap_or_else(|| Made::of(managed, &engine.identity().id))
        };
        let why = format!("upgraded to {}", managed.version);
        let mut held = self.hold(service).await?;
        // What ran before is what failed to start: it is wanted.
        held.ran = true;
        self.carry_dump(held, &engine, None, old, why).await?;
        Ok(())
    }

    /// For a while, the service is what its data was made with.
    async fn use_old(&self, service: &ServiceId, old: Option<Made>) -> Result<(), RequestError> {
        let meanwhile = old.map(|made| Meanwhile {
            made,
            ports: Vec::new(),
        });
        self.meanwhile(service, meanwhile).await
    }

    async fn start_empty(&self, service: &ServiceId) -> Result<(), RequestError> {
        self.while_held(service, async |held| {
            let engine = self.engine_of(service)?;
            let folder = held.folder.clone();
            self.discard(&held.spec, &engine, folder, "started empty".to_owned())
                .await?;
            let generation = self.next_generation(service)?;
            self.switch(service, generation, None).await
        })
        .await
    }

    async fn keep_credentials(&self, spec: &Arc<ServiceSpec>, folder: PathBuf) -> Result<(), RequestError> {
        let made = self
            .gate
            .records
            .made(spec)
            .ok_or_else(|| RequestError::NotPossible(format!("what {} was made with isn't known", spec.id)))?;
        let old = &made.credentials;
        let keys = [
            ("user", old.user.as_deref()),
            ("password", old.password.as_ref().map(locald_core::spec::Secret::reveal)),
            ("database", old.database.as_deref()),
        ];
        let now = spec
            .managed()
            .map(|managed| managed.credentials.clone())
            .unwrap_or_default();
        let now = [
            now.user.clone(),
            now.password.as_ref().map(|password| password.reveal().to_owned()),
            now.database.clone(),
        ];
        for ((key, old), now) in keys.into_iter().zip(now) {
            let Some(old) = old.filter(|old| Some(*old) != now.as_deref()) else {
                continue;
            };
            if key == "password" {
                // Secrets stay out of the file where they aren't in it.
                let password = locald_core::spec::Secret::new(old);
                self.change(&spec.id, |record| record.password = Some(password))?;
            }
            let name = spec.id.name.as_str();
            file::set(&folder, name, key, old, key != "password")?;
        }
        self.projects.refresh(&spec.id).await
    }

    async fn apply_credentials(&self, spec: &Arc<ServiceSpec>) -> Result<(), RequestError> {
        let service = &spec.id;
        let managed = spec
            .managed()
            .filter(|managed| managed.change_credentials.is_some())
            .ok_or_else(|| RequestError::NotPossible(format!("locald can't change who may connect to {service}")))?;
        let made = self
            .gate
            .records
            .made(spec)
            .ok_or_else(|| RequestError::NotPossible(format!("what {service} was made with isn't known")))?;
        self.use_old(service, Some(made.clone())).await?;
        let changed = self.change_in_data(spec, &made).await;
        if changed.is_ok() {
            let new = managed.credentials.clone();
            let generation = managed.generation;
            self.change(service, |record| {
                if let Some(made) = record.made.get_mut(&generation) {
                    made.credentials = new;
                }
            })?;
        }
        // It runs with the old ones: what it is shown to be has to be what it is.
        self.use_old(service, None).await?;
        changed?;
        self.supervisor.command(Command::Up(vec![service.clone()])).await;
        Ok(())
    }

    async fn change_in_data(&self, spec: &ServiceSpec, made: &Made) -> Result<(), RequestError> {
        let seen = self.bring_up(&spec.id).await?;
        let managed = spec.managed();
        let (Some(managed), Some(port)) = (managed, seen.ports.first()) else {
            return Err(RequestError::Failed(format!("{} publishes no port", spec.id)));
        };
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port.host_port));
        let how = managed.change_credentials;
        let Some(how) = how else { return Ok(()) };
        probe::change_credentials(how, address, &made.credentials, &managed.credentials)
            .await
            .map_err(|error| RequestError::Failed(format!("the credentials in the data were not changed: {error}")))
    }

    async fn other_port(&self, spec: &Arc<ServiceSpec>, folder: PathBuf) -> Result<(), RequestError> {
        let taken = self.gate.records.ports_of_others(&spec.id);
        let old: Vec<u16> = spec.ports.iter().filter_map(|port| port.host).collect();
        let mut new: Vec<u16> = Vec::new();
        for port in &old {
            let free = next_free(*port, |candidate| {
                new.contains(&candidate) || taken.contains(&candidate)
            });
            new.push(free.ok_or_else(|| RequestError::NotPossible("no port is free".to_owned()))?);
        }
        let main = new.first().copied();
        self.change(&spec.id, |record| record.ports = new)?;
        if let Some(main) = main {
            file::set_port(&folder, spec.id.name.as_str(), main)?;
        }
        self.projects.refresh(&spec.id).await
    }

    async fn stop_holder(&self, spec: &ServiceSpec) -> Result<(), RequestError> {
        let wanted: Vec<u16> = spec.ports.iter().filter_map(|port| port.host).collect();
        let snapshot = self.supervisor.snapshot();
        let holder = snapshot.services.iter().find(|other| {
            other.id != spec.id
                && matches!(other.state, StateKind::Running | StateKind::Starting)
                && other.ports.iter().any(|port| wanted.contains(&port.host_port))
        });
        let holder = holder.ok_or_else(|| {
            RequestError::NotPossible("what holds the port is not a service that locald can stop".to_owned())
        })?;
        self.bring_down(&holder.id).await
    }
}
