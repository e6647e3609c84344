//! What commands share: the host, the project they run in, and how they print.

use std::time::Duration;

use locald_core::{
    ServiceId,
    spec::Connection,
    view::status::{ServiceStatus, Status},
};
use locald_host::{
    config::Folders,
    control::{
        client::{Client, ClientError},
        protocol::{Action, Done, Request},
    },
};

use crate::{
    connect,
    exit::{Code, Failure},
    output,
    target::{self, Project},
    wait::{self, Goal},
};

/// One run of the program.
pub(crate) struct Session {
    pub folders: Folders,
    pub client: Client,
    pub project: Project,
    pub json: bool,
}

impl Session {
    /// Has the host read the project's file. One with faults is told of, and is no reason not to look at what runs,
    /// unless it was named.
    pub(crate) async fn load_if_good(&mut self) -> Result<Option<String>, Failure> {
        match self.project.load(&mut self.client).await {
            Err(failure) if !self.project.named => {
                output::note(failure.report.as_deref().unwrap_or(&failure.message).trim_end());
                Ok(None)
            }
            other => other,
        }
    }

    /// Has the host read the project's file, which there has to be; gives the project's name.
    pub(crate) async fn load(&mut self) -> Result<String, Failure> {
        self.project.load(&mut self.client).await?.ok_or_else(no_project)
    }

    /// The service that a name means, and the picture it is in.
    pub(crate) async fn find(&mut self, name: &str) -> Result<(Status, ServiceId), Failure> {
        let loaded = self.load_if_good().await?;
        let status = target::status(&mut self.client).await?;
        let id = target::service(&status, loaded.as_deref(), name)?;
        Ok((status, id))
    }

    /// How to connect to a service.
    pub(crate) async fn connection(&mut self, id: &ServiceId) -> Result<Connection, Failure> {
        let done = self.client.call(Request::Connection { service: id.clone() }).await?;
        done.connection
            .map(|connection| *connection)
            .ok_or_else(|| Failure::failed("the host gave no connection"))
    }

    /// How to connect to each service of a project that is made from the catalog, in the order of its file.
    pub(crate) async fn connections(&mut self, project: &str) -> Result<Vec<(ServiceStatus, Connection)>, Failure> {
        let status = target::status(&mut self.client).await?;
        let mut connections = Vec::new();
        for service in status.services {
            if service.project == project && is_managed(&service) {
                let connection = self.connection(&service.id).await?;
                connections.push((service, connection));
            }
        }
        Ok(connections)
    }

    /// Has the host do something with services.
    pub(crate) async fn command(&mut self, action: Action, services: &[ServiceId]) -> Result<Done, Failure> {
        let request = Request::Command {
            action,
            services: services.to_vec(),
        };
        match self.client.call(request.clone()).await {
            // A desktop app took over in this moment. Asking twice does no harm: it is the same wish.
            Err(ClientError::Closed) => {
                self.client = connect::host(&self.folders).await?;
                self.project.load(&mut self.client).await?;
                Ok(self.client.call(request).await?)
            }
            other => Ok(other?),
        }
    }

    /// Waits until services are where they are to be.
    pub(crate) async fn until(
        &mut self,
        ids: &[ServiceId],
        goal: Goal,
        seq: Option<u64>,
        timeout: Duration,
    ) -> Result<Status, Failure> {
        let seq = seq.unwrap_or_default();
        wait::until(&self.folders, &mut self.client, ids, goal, seq, timeout, self.json).await
    }
}

/// Is it made from the catalog?
pub(crate) fn is_managed(service: &ServiceStatus) -> bool {
    !service.external && !matches!(service.kind.as_str(), "container" | "process")
}

pub(crate) fn no_project() -> Failure {
    Failure::new(Code::Usage, "no_project", "there is no locald.toml here or above")
        .hint("Go to a project's folder, name one with --project, or make a locald.toml.")
}

/// The services of a picture that a command was about.
pub(crate) fn chosen<'a>(status: &'a Status, ids: &[ServiceId]) -> Vec<&'a ServiceStatus> {
    let services = status.services.iter();
    services.filter(|service| ids.contains(&service.id)).collect()
}
