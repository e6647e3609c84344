//! Starting: reuse what is there, else make it.

use std::time::Duration;

use bollard::query_parameters::CreateContainerOptions;
use hyper::Method;
use locald_core::{InstanceId, ProblemCode};
use locald_engine::{EngineError, InstanceSpec, StartedInstance, StopRequest};
use serde::Deserialize;

use crate::{
    DockerEngine, SLOW_SECONDS, SPEC_LABEL, create,
    errors::{create_error, start_error},
    http::{Failure, encode},
    list::service_of,
    wire::Listed,
};

/// How often a name that is about to become free is tried again, and after how long.
const NAME_TRIES: u32 = 20;
const NAME_PAUSE: Duration = Duration::from_millis(100);
/// The same for a network that could not be made for a reason that passes.
const NETWORK_TRIES: u32 = 5;
const NETWORK_PAUSE: Duration = Duration::from_millis(50);

impl DockerEngine {
    pub(crate) async fn start_instance(
        &self,
        spec: &InstanceSpec,
        existing: Option<InstanceId>,
    ) -> Result<StartedInstance, EngineError> {
        self.ports_are_free(spec).await?;
        if let Some(id) = existing {
            match self.start_container(id.as_str()).await {
                Ok(()) => return Ok(StartedInstance { id, reused: true }),
                Err(failure) if is_gone(&failure) => {}
                Err(failure) => return Err(self.refused(spec, failure, start_error).await),
            }
        }
        if let Some(id) = self.reuse_or_clear(spec).await? {
            return Ok(StartedInstance { id, reused: true });
        }
        let id = self.create_container(spec).await?;
        match self.start_container(&id).await {
            Ok(()) => Ok(StartedInstance {
                id: InstanceId::from(id.as_str()),
                reused: false,
            }),
            Err(failure) => {
                let error = self.refused(spec, failure, start_error).await;
                // It never ran, so nothing is lost, and a leftover would hold the name.
                self.discard(&id).await;
                Err(error)
            }
        }
    }

    async fn start_container(&self, id: &str) -> Result<(), Failure> {
        let docker = self.bollard(SLOW_SECONDS).await?;
        match docker.start_container(id, None).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failure(error).await),
        }
    }

    /// Starts what the service already has, when it is of this spec; removes what isn't.
    async fn reuse_or_clear(&self, spec: &InstanceSpec) -> Result<Option<InstanceId>, EngineError> {
        let name = spec.instance_name();
        let wrap = |failure: Failure| {
            failure.into_error(|detail| create_error(name.clone(), ProblemCode::StartFailed, detail))
        };
        let hash = spec.service.hash();
        let (mut same, other): (Vec<Listed>, Vec<Listed>) = self
            .listed_of(&spec.service.id)
            .await
            .map_err(wrap)?
            .into_iter()
            .partition(|listed| listed.labels.get(SPEC_LABEL) == Some(&hash));
        // Of several, the one that runs.
        same.sort_by_key(|listed| listed.state != "running");
        let mut reused = None;
        for listed in same {
            if reused.is_some() {
                self.clear(spec, &listed).await?;
                continue;
            }
            match self.start_container(&listed.id).await {
                Ok(()) => reused = Some(InstanceId::from(listed.id.as_str())),
                // Also when its network is gone: then it can't start again as it is.
                Err(failure) if is_gone(&failure) => self.clear(spec, &listed).await?,
                Err(failure) => return Err(self.refused(spec, failure, start_error).await),
            }
        }
        for listed in other {
            self.clear(spec, &listed).await?;
        }
        Ok(reused)
    }

    async fn clear(&self, spec: &InstanceSpec, listed: &Listed) -> Result<(), EngineError> {
        let id = InstanceId::from(listed.id.as_str());
        if matches!(listed.state.as_str(), "running" | "paused" | "restarting") {
            let request = StopRequest {
                signal: spec.service.stop_signal,
                grace: spec.service.stop_grace,
            };
            self.stop_instance(&id, request).await?;
        }
        self.remove_instance(&id).await
    }

    /// Best effort: the error that made this necessary is what counts.
    async fn discard(&self, id: &str) {
        if let Err(error) = self.remove_instance(&InstanceId::from(id)).await {
            tracing::warn!(id, %error, "a container that failed to start could not be removed");
        }
    }

    async fn create_container(&self, spec: &InstanceSpec) -> Result<String, EngineError> {
        let form = spec.container(&self.identity)?;
        self.mounts_exist(spec)?;
        let name = spec.instance_name();
        let covering = async {
            let covers = self.cover(spec, &form).await;
            covers.map_err(|failure| {
                failure.into_error(|detail| create_error(name.clone(), ProblemCode::StartFailed, detail))
            })
        };
        let ((), covers) = tokio::try_join!(self.ensure_network(spec), covering)?;
        let options = CreateContainerOptions {
            name: Some(name.clone()),
            ..Default::default()
        };
        for _ in 0..NAME_TRIES {
            let made = match self.bollard(SLOW_SECONDS).await {
                Ok(docker) => match docker
                    .create_container(Some(options.clone()), create::body(spec, &form, &covers))
                    .await
                {
                    Ok(created) => return Ok(created.id),
                    Err(error) => self.failure(error).await,
                },
                Err(failure) => failure,
            };
            if !is_name_taken(&made) {
                return Err(self.refused(spec, made, create_error).await);
            }
            self.free_name(spec).await?;
            tokio::time::sleep(NAME_PAUSE).await;
        }
        Err(create_error(
            name,
            ProblemCode::StartFailed,
            "its name did not become free".to_owned(),
        ))
    }

    /// Clears a container of ours out of the way that came up meanwhile; one that isn't ours is left alone.
    async fn free_name(&self, spec: &InstanceSpec) -> Result<(), EngineError> {
        let name = spec.instance_name();
        let holder = self.inspected(&name).await.map_err(|failure| {
            failure.into_error(|detail| create_error(name.clone(), ProblemCode::StartFailed, detail))
        })?;
        let Some(holder) = holder else { return Ok(()) };
        if service_of(&holder.config.labels).as_ref() != Some(&spec.service.id) {
            let detail = format!("a container named {name} exists that locald did not make");
            return Err(create_error(name, ProblemCode::NameTaken, detail));
        }
        self.clear(
            spec,
            &Listed {
                id: holder.id,
                state: holder.state.status,
                ..Listed::default()
            },
        )
        .await
    }

    /// One task at a time: `CheckDuplicate` alone doesn't keep old engines from making two of a name.
    async fn ensure_network(&self, spec: &InstanceSpec) -> Result<(), EngineError> {
        let wrap = |failure: Failure| {
            failure.into_error(|detail| {
                create_error(
                    spec.instance_name(),
                    ProblemCode::StartFailed,
                    format!("its network: {detail}"),
                )
            })
        };
        let name = spec.network_name();
        let _one_at_a_time = self.networks.lock().await;
        match self
            .http
            .get::<serde_json::Value>(&format!("/networks/{}", encode(&name, "")))
            .await
        {
            Ok(_) => return Ok(()),
            Err(failure) if failure.status() == Some(404) => {}
            Err(failure) => return Err(wrap(failure)),
        }
        let body = serde_json::json!({
            "Name": name,
            "CheckDuplicate": true,
            "Driver": "bridge",
            "Labels": create::project_labels(&spec.service.id),
        });
        let mut tries = 0;
        loop {
            let made = self
                .http
                .document::<Made>(Method::POST, "/networks/create", Some(body.to_string()))
                .await;
            tries += 1;
            match made {
                Ok(_) => return Ok(()),
                // Another program made it in between.
                Err(failure) if failure.status() == Some(409) => return Ok(()),
                Err(failure) if is_passing(&failure) && tries < NETWORK_TRIES => {
                    tokio::time::sleep(NETWORK_PAUSE).await;
                }
                Err(failure) => return Err(wrap(failure)),
            }
        }
    }
}

/// The answer of a create; only that it came matters.
#[derive(Deserialize)]
struct Made {}

/// Podman looks at each interface of the machine for a free subnet, and gives up when one goes meanwhile: another
/// engine's container that ended is enough.
fn is_passing(failure: &Failure) -> bool {
    matches!(failure, Failure::Status { message, .. } if message.contains("no such network interface"))
}

/// No such container, or one that is on its way out.
fn is_gone(failure: &Failure) -> bool {
    match failure {
        Failure::Status { code: 404, .. } => true,
        Failure::Status { code: 409, message } => message.contains("marked for removal"),
        Failure::Status { .. } | Failure::Connect(_) | Failure::Broken(_) => false,
    }
}

/// Docker answers 409, Podman 500.
fn is_name_taken(failure: &Failure) -> bool {
    match failure {
        Failure::Status { code: 409, message } => message.contains("already in use"),
        Failure::Status { code: 500, message } => message.contains("name is already in use"),
        Failure::Status { .. } | Failure::Connect(_) | Failure::Broken(_) => false,
    }
}
