//! A service as the file alone tells it.

use std::{ops::Range, time::Duration};

use locald_core::spec::{Resources, RestartPolicy, Signal, VolumeMount};

use super::{
    fields, kind,
    managed::{self, Asked},
    process::{self, Opens},
};
use crate::{
    catalog::Catalog,
    dependencies::{self, Needs},
    engine,
    errors::Found,
    health_check::{self, Runs},
    image,
    ports::{self, Port},
    project::ParseContext,
    quantities, volumes,
    walk::{Faults, Section},
};

/// A service as read so far: what depends on other services isn't looked up yet, and what is at fault is `None`.
pub(super) struct Draft<'d> {
    pub(super) name: &'d str,
    pub(super) what: What<'d>,
    pub(super) ports: Option<Vec<Port>>,
    pub(super) env: Vec<(&'d str, String, Range<usize>)>,
    pub(super) volumes: Vec<VolumeMount>,
    pub(super) needs: Needs<'d>,
    pub(super) health_check: health_check::Asked,
    pub(super) restart: RestartPolicy,
    pub(super) restart_span: Option<Range<usize>>,
    pub(super) stop_signal: Option<Signal>,
    pub(super) stop_grace: Option<Duration>,
    pub(super) workdir: Option<String>,
    pub(super) resources: Resources,
    pub(super) engine: Option<String>,
}

/// What runs.
pub(super) enum What<'d> {
    Container {
        image: Option<String>,
        command: Option<Vec<String>>,
    },
    Process {
        command: Option<Vec<String>>,
        opens: Option<Opens>,
    },
    Managed(Box<Asked<'d>>),
    /// At fault.
    Unclear,
}

pub(super) fn draft<'d>(
    name: &'d str,
    key_span: &Range<usize>,
    section: &Section<'d>,
    faults: &Faults<'_>,
    context: &ParseContext,
    catalog: &'d Catalog,
) -> Draft<'d> {
    let runs = kind::of(name, key_span, section, faults);
    let read = |key: &str| section.get(key);
    let (what, ports) = what(section, runs, faults, catalog);
    let health_check = read("health_check").map_or(health_check::Asked::Unsaid, |node| {
        health_check::read(&node, faults, ports.as_deref(), runs.unwrap_or(Runs::Container))
    });
    let engine = read("engine").and_then(|node| {
        let word = engine::read(&node, faults)?;
        if runs == Some(Runs::Process) && word != "native" {
            let message = format!("`{name}` is a process, which `{word}` can't run");
            faults.push(Found::new(node.span, message).help("remove `engine`, or add an `image`"));
        }
        Some(word.to_owned())
    });
    let workdir = match runs {
        Some(Runs::Process) => process::workdir(section, faults, context),
        Some(Runs::Managed) => None,
        _ => read("workdir").and_then(|node| fields::workdir(&node, faults)),
    };
    Draft {
        name,
        what,
        ports,
        env: read("env").map(|node| fields::env(&node, faults)).unwrap_or_default(),
        volumes: read("volumes")
            .filter(|_| runs != Some(Runs::Process))
            .and_then(|node| volumes::read(&node, faults, context))
            .unwrap_or_default(),
        needs: read("depends_on")
            .map(|node| dependencies::read(&node, faults))
            .unwrap_or_default(),
        health_check,
        restart: read("restart")
            .and_then(|node| fields::restart(&node, faults))
            .unwrap_or(RestartPolicy::No),
        restart_span: read("restart").map(|node| node.span),
        stop_signal: read("stop_signal").and_then(|node| fields::stop_signal(&node, faults)),
        stop_grace: read("stop_grace").and_then(|node| quantities::duration(&node, faults, Duration::ZERO)),
        workdir,
        resources: read("resources")
            .and_then(|node| node.table(faults))
            .map(|table| fields::resources(&table, faults))
            .unwrap_or_default(),
        engine,
    }
}

fn what<'d>(
    section: &Section<'d>,
    runs: Option<Runs>,
    faults: &Faults<'_>,
    catalog: &'d Catalog,
) -> (What<'d>, Option<Vec<Port>>) {
    let command = || section.get("command").and_then(|node| node.command(faults));
    match runs {
        Some(Runs::Managed) => match managed::read(section, faults, catalog) {
            Some(asked) => {
                let ports = asked.ports();
                (What::Managed(Box::new(asked)), Some(ports))
            }
            None => (What::Unclear, None),
        },
        Some(Runs::Process) => {
            let (opens, ports) = process::port(section, faults);
            let command = command();
            (What::Process { command, opens }, ports)
        }
        Some(Runs::Container) | None => {
            let ports = match section.get("ports") {
                Some(node) => ports::read(&node, faults),
                None => Some(Vec::new()),
            };
            let image = section.get("image").and_then(|node| image::read(&node, faults));
            let command = command();
            (What::Container { image, command }, ports)
        }
    }
}
