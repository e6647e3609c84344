//! `[services.NAME]`.

mod draft;
mod fields;
mod finish;
mod kind;
mod managed;
mod process;

use std::{collections::BTreeMap, ops::Range};

use locald_core::{ProjectName, ServiceId, ServiceName, ServiceSpec, spec::RestartPolicy};

use crate::{
    catalog::{Catalog, Reader},
    dependencies::{self, Need, Needs},
    errors::Found,
    ports,
    project::{ParseContext, normalise},
    provision::{Fixed, Provision},
    references::{self, Target, Targets},
    walk::{Faults, Section},
};
use draft::{Draft, What, draft};
use finish::{Given, finish};

/// Reads all services, in the order of the file. What it returns is only sound when no fault was noted; nothing is
/// asked of `provision` else.
pub(crate) fn read(
    services: &Section<'_>,
    project: Option<&ProjectName>,
    faults: &Faults<'_>,
    context: &ParseContext,
    catalog: &Catalog,
    provision: &mut dyn Provision,
) -> Vec<ServiceSpec> {
    let mut names = Vec::new();
    let mut drafts = Vec::new();
    for (name, key_span, node) in services.entries() {
        names.push(name);
        if let Err(error) = ServiceName::new(name) {
            let fault = Found::new(key_span.clone(), error.to_string()).label("this name");
            faults.push(match normalise(name) {
                Some(near) => fault.help(format!("write [services.{near}]")),
                None => fault,
            });
        }
        if let Some(section) = node.table(faults) {
            drafts.push(draft(name, &key_span, &section, faults, context, catalog));
        }
    }
    let ports: Vec<_> = drafts
        .iter()
        .map(|draft| (draft.name, draft.ports.as_deref().unwrap_or_default()))
        .collect();
    ports::clashes(ports.into_iter(), faults);

    let stand_ins: Vec<_> = drafts
        .iter()
        .map(|draft| Given::ask(draft, project, &mut Fixed::default()))
        .collect();
    environments(&mut drafts, &names, &stand_ins, faults);

    let none = Needs::new();
    let drafted: BTreeMap<_, _> = drafts.iter().map(|draft| (draft.name, &draft.needs)).collect();
    let needs: Vec<_> = names
        .iter()
        .map(|&name| (name, drafted.get(name).copied().unwrap_or(&none)))
        .collect();
    dependencies::check(&needs, faults);
    let restarted = |name: &str| {
        let draft = drafts.iter().find(|draft| draft.name == name)?;
        draft
            .restart_span
            .clone()
            .filter(|_| draft.restart == RestartPolicy::Always)
    };
    dependencies::check_completed(&needs, restarted, faults);

    let Some(project) = project.filter(|_| faults.is_empty()) else {
        return Vec::new();
    };
    let named: Vec<_> = drafts
        .iter()
        .flat_map(|draft| draft.ports.iter().flatten())
        .filter_map(|(port, _)| port.host)
        .collect();
    provision.named(&named);
    let given: Vec<_> = drafts
        .iter()
        .map(|draft| Given::ask(draft, Some(project), provision))
        .collect();
    // What was sound with stand-ins is sound with what was given.
    let environments = environments(&mut drafts, &names, &given, &faults.afresh());
    drafts
        .into_iter()
        .zip(given)
        .zip(environments)
        .filter_map(|((draft, given), env)| {
            let id = ServiceId::new(project.clone(), ServiceName::new(draft.name).ok()?);
            finish(draft, id, given, env)
        })
        .collect()
}

/// Resolves the services' environments.
fn environments<'d>(
    drafts: &mut [Draft<'d>],
    names: &[&'d str],
    given: &[Given],
    faults: &Faults<'_>,
) -> Vec<BTreeMap<String, String>> {
    let mut targets: Targets<'d> = names.iter().map(|&name| (name, None)).collect();
    targets.extend(
        drafts
            .iter()
            .zip(given)
            .map(|(draft, given)| (draft.name, target(draft, given))),
    );
    drafts
        .iter_mut()
        .map(|draft| environment(draft, &targets, faults))
        .collect()
}

/// What a reference to the service is to.
fn target<'d>(draft: &Draft<'d>, given: &Given) -> Option<Target<'d>> {
    match (&draft.what, given) {
        (What::Container { .. }, _) => Some(Target::Container {
            ports: draft.ports.as_ref()?.iter().map(|(port, _)| port.clone()).collect(),
        }),
        (What::Process { .. }, Given::Port(port)) => Some(Target::Process { port: Some(*port) }),
        (What::Process { .. }, _) => Some(Target::Process { port: None }),
        (What::Managed(asked), Given::Managed(given)) => Some(Target::Managed {
            entry: asked.entry,
            given: given.clone(),
        }),
        (What::Managed(_) | What::Unclear, _) => None,
    }
}

/// Resolves a service's environment. A reference to another service implies the dependency.
fn environment<'d>(draft: &mut Draft<'d>, targets: &Targets<'d>, faults: &Faults<'_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let own = draft.name;
    let reader = match draft.what {
        What::Process { .. } => Reader::Machine,
        What::Managed(_) if draft.engine.as_deref() == Some("native") => Reader::Machine,
        _ => Reader::Container,
    };
    for (name, value, span) in &draft.env {
        let needs = &mut draft.needs;
        let depends = |service: &str, span: Range<usize>| {
            let known = targets.get_key_value(service).map(|(name, _)| *name);
            if let Some(service) = known.filter(|&service| service != own)
                && !needs.iter().any(|need| need.name == service)
            {
                needs.push(Need::implied(service, span));
            }
        };
        if let Some(value) = references::resolve(value, span, targets, reader, faults, depends) {
            env.insert((*name).to_owned(), value);
        }
    }
    env
}
