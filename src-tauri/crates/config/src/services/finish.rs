//! From what a file says and what a service was given to its spec.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use locald_core::{
    ProjectName, ServiceId, ServiceName, ServiceSpec,
    spec::{Connection, Dependency, Source},
};

use super::{
    draft::{Draft, What},
    process::{self, Opens},
};
use crate::{
    dependencies::Needs,
    health_check::Asked,
    provision::{Provided, Provision},
};

/// What a service was given beside what its file says.
pub(super) enum Given {
    Nothing,
    Port(u16),
    Managed(Provided),
}

impl Given {
    pub(super) fn ask(draft: &Draft<'_>, project: Option<&ProjectName>, provision: &mut dyn Provision) -> Self {
        // The names of a file at fault only serve to tell what else is.
        let id = project.cloned().or_else(|| ProjectName::new("project").ok()).zip(
            ServiceName::new(draft.name)
                .or_else(|_| ServiceName::new("service"))
                .ok(),
        );
        let Some((project, name)) = id else {
            return Self::Nothing;
        };
        let id = ServiceId::new(project, name);
        match &draft.what {
            What::Managed(asked) => Self::Managed(provision.managed(&asked.wish(&id))),
            What::Process {
                opens: Some(Opens::Any),
                ..
            } => Self::Port(provision.port(&id)),
            What::Process {
                opens: Some(Opens::This(port)),
                ..
            } => Self::Port(*port),
            What::Process { opens: None, .. } | What::Container { .. } | What::Unclear => Self::Nothing,
        }
    }
}

/// The spec; `None` for what is at fault.
pub(super) fn finish(
    draft: Draft<'_>,
    id: ServiceId,
    given: Given,
    env: BTreeMap<String, String>,
) -> Option<ServiceSpec> {
    let mut spec = ServiceSpec::container(id, "");
    spec.env = env;
    spec.ports = draft.ports?.into_iter().map(|(port, _)| port).collect();
    spec.volumes = draft.volumes;
    spec.depends_on = depends_on(draft.needs)?;
    spec.image_health_check = !matches!(draft.health_check, Asked::Nothing);
    let unsaid = matches!(draft.health_check, Asked::Unsaid);
    if let Asked::This(check) = draft.health_check {
        spec.health_check = Some(check);
    }
    spec.restart = draft.restart;
    spec.stop_signal = draft.stop_signal;
    spec.workdir = draft.workdir;
    spec.resources = draft.resources;
    spec.engine = draft.engine;
    let mut usual_grace = ServiceSpec::DEFAULT_STOP_GRACE;
    match (draft.what, given) {
        (What::Container { image, command }, _) => spec.source = Source::Container { image: image?, command },
        (What::Process { command, .. }, given) => {
            spec.source = Source::Process { command: command? };
            spec.image_health_check = false;
            if let Given::Port(port) = given {
                opens(&mut spec, port);
            }
        }
        (What::Managed(asked), Given::Managed(given)) => {
            let entry = asked.entry;
            let name = spec.id.name.clone();
            let (stop_signal, grace) = entry.stop();
            usual_grace = grace;
            spec.stop_signal = spec.stop_signal.or(stop_signal);
            spec.ports = entry.published(&given);
            spec.image_health_check = false;
            if unsaid {
                spec.health_check = entry.health_check(&given);
            }
            spec.connection = Some(Arc::new(entry.connection(name.as_str(), &given)));
            spec.source = Source::Managed(Box::new(entry.managed(name.as_str(), &given)));
        }
        (What::Managed(_) | What::Unclear, _) => return None,
    }
    spec.stop_grace = draft.stop_grace.unwrap_or(usual_grace);
    Some(spec)
}

/// A process with a port is told it, asked at it, and reached by it.
fn opens(spec: &mut ServiceSpec, port: u16) {
    spec.ports = vec![process::mapping(port)];
    spec.env.entry("PORT".to_owned()).or_insert_with(|| port.to_string());
    spec.health_check = spec.health_check.take().map(|check| process::with_port(check, port));
    let url = format!("http://127.0.0.1:{port}");
    spec.connection = Some(Arc::new(Connection {
        masked_url: url.clone(),
        url,
        env: BTreeMap::new(),
        client: None,
        client_env: BTreeMap::new(),
        console: None,
    }));
}

fn depends_on(needs: Needs<'_>) -> Option<Vec<Dependency>> {
    let mut seen = BTreeSet::new();
    needs
        .into_iter()
        .filter(|need| seen.insert(need.name))
        .map(|need| {
            Some(Dependency {
                name: ServiceName::new(need.name).ok()?,
                condition: need.condition,
            })
        })
        .collect()
}
