//! Services that locald did not make: everything else an engine has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::Turn;
use crate::{
    EngineId, InstanceId, ProjectName, ServiceId, ServiceName, ServiceSpec,
    event::Effect,
    id::NAME_LIMIT,
    instance::ObservedInstance,
    snapshot::{Desired, EngineLink},
    state::Service,
};

/// The group of containers that belong to no compose project.
const ALONE: &str = "containers";

impl Turn<'_> {
    /// All of an engine's instances that no project declares.
    pub(super) fn strangers_listed(&mut self, engine: &EngineId, mut strangers: Vec<ObservedInstance>) {
        let listed: BTreeSet<InstanceId> = strangers.iter().map(|seen| seen.id.clone()).collect();
        let mut known: BTreeMap<InstanceId, ServiceId> = BTreeMap::new();
        let mut gone = Vec::new();
        for (id, service) in &self.state.services {
            if !service.external || service.engine.as_ref() != Some(engine) {
                continue;
            }
            match &service.instance {
                Some(instance) if listed.contains(&instance.id) => {
                    known.insert(instance.id.clone(), id.clone());
                }
                _ => gone.push(id.clone()),
            }
        }
        for id in gone {
            self.observe(&id, None, None);
        }
        // Which of two gets the plain name must not depend on the order in which an engine lists them.
        strangers.sort_by(|a, b| order(a).cmp(&order(b)));
        for seen in strangers {
            match known.get(&seen.id) {
                Some(id) => self.stranger_observed(&id.clone(), seen),
                None => self.stranger_met(engine, seen),
            }
        }
    }

    /// One that an event told of.
    pub(super) fn stranger_seen(&mut self, engine: &EngineId, seen: ObservedInstance) {
        let online = self
            .state
            .engine(engine)
            .is_some_and(|engine| matches!(engine.link, EngineLink::Online { .. }) && engine.listed);
        if !online || self.declared_of(&seen).is_some() {
            return;
        }
        match self.service_behind(engine, &seen.id) {
            Some(id) => self.stranger_observed(&id, seen),
            None => self.stranger_met(engine, seen),
        }
    }

    /// An event tells of an instance that nothing is known of.
    pub(super) fn stranger_mentioned(&mut self, engine: &EngineId, instance: InstanceId) {
        self.effects.push(Effect::Look {
            engine: engine.clone(),
            instance,
        });
    }

    fn stranger_met(&mut self, engine: &EngineId, seen: ObservedInstance) {
        // What a project no longer declares is worth showing only while it runs.
        if seen.service.is_some() && !seen.run.is_alive() {
            return;
        }
        let Some(id) = self.free_id(engine, &seen) else {
            return;
        };
        let since = self.now;
        let spec = Arc::new(ServiceSpec::container(id.clone(), &seen.image));
        let service = self.state.services.entry(id.clone()).or_insert_with(|| {
            let mut service = Service::new(Arc::clone(&spec), Desired::Stopped, Some(engine.clone()));
            service.external = true;
            service.held = true;
            service.since = Some(since);
            service
        });
        service.declared = false;
        service.spec = spec;
        if let Some(remembered) = self.state.remembered.services.remove(&id) {
            service.muted = remembered.muted;
        }
        self.stranger_observed(&id, seen);
    }

    fn stranger_observed(&mut self, id: &ServiceId, seen: ObservedInstance) {
        if self.contradicts(id, Some(&seen)) {
            self.inspect(id, true);
            return;
        }
        // A list tells neither when it started, nor of its restart policy and its health check.
        let summary = seen.started_at.is_none();
        let alive = seen.run.is_alive();
        let known = self.service(id).is_some_and(|service| {
            service
                .instance
                .as_ref()
                .is_some_and(|known| known.id == seen.id && known.alive && known.started_at.is_some())
        });
        self.observe(id, Some(seen), None);
        if summary && alive && !known {
            self.inspect(id, false);
        }
    }

    /// The id of an instance's row: by compose's labels, else by its name. The row of one that was made anew is the row
    /// it had; one whose name is taken gets a number.
    fn free_id(&self, engine: &EngineId, seen: &ObservedInstance) -> Option<ServiceId> {
        let (project, name) = match &seen.service {
            Some(id) => (id.project.to_string(), id.name.to_string()),
            None => base_name(seen),
        };
        (1..=10_000).find_map(|number: u32| {
            let name = if number == 1 {
                name.clone()
            } else {
                let suffix = format!("-{number}");
                let stem: String = name.chars().take(NAME_LIMIT - suffix.len()).collect();
                format!("{stem}{suffix}")
            };
            let id = ServiceId::new(ProjectName::new(&project).ok()?, ServiceName::new(&name).ok()?);
            self.is_free(engine, &id, seen.service.is_some()).then_some(id)
        })
    }

    /// Of several instances with one service's labels, the row is of the one that runs.
    fn is_free(&self, engine: &EngineId, id: &ServiceId, labelled: bool) -> bool {
        self.state.services.get(id).is_none_or(|service| {
            let vacant = match &service.instance {
                None => true,
                Some(instance) => labelled && !instance.alive && instance.spec_hash.is_some(),
            };
            service.external && service.engine.as_ref() == Some(engine) && vacant
        })
    }
}

fn order(seen: &ObservedInstance) -> (u32, &str, &InstanceId) {
    let number = seen.compose.as_ref().map_or(1, |compose| compose.number);
    (number, &seen.name, &seen.id)
}

/// Project and service name of an instance that locald did not make.
fn base_name(seen: &ObservedInstance) -> (String, String) {
    let fallback = || seen.id.as_str().chars().take(12).collect::<String>();
    match &seen.compose {
        Some(compose) => {
            let project = cleaned(&compose.project).unwrap_or_else(|| ALONE.to_owned());
            // `compose run` makes a container beside the service's own, with a name of its own.
            let service = if compose.one_off { &seen.name } else { &compose.service };
            let name = cleaned(service)
                .or_else(|| cleaned(&seen.name))
                .unwrap_or_else(fallback);
            if compose.number > 1 && !compose.one_off {
                (project, format!("{name}-{}", compose.number))
            } else {
                (project, name)
            }
        }
        None => (ALONE.to_owned(), cleaned(&seen.name).unwrap_or_else(fallback)),
    }
}

/// A name as locald allows it: lower case, other characters as `-`. `None` when nothing is left.
fn cleaned(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let text: String = name
        .chars()
        .flat_map(char::to_lowercase)
        .map(|c| if allowed(c) { c } else { '-' })
        .take(NAME_LIMIT - 8)
        .collect();
    let text = text.trim_matches(|c| matches!(c, '-' | '_' | '.'));
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_become_names_as_locald_allows_them() {
        assert_eq!(cleaned("My.App_1").as_deref(), Some("my.app_1"));
        assert_eq!(cleaned("/weird name/").as_deref(), Some("weird-name"));
        assert_eq!(cleaned("café").as_deref(), Some("caf"));
        assert_eq!(cleaned("é"), None);
        assert_eq!(cleaned(&"x".repeat(90)).map(|name| name.len()), Some(NAME_LIMIT - 8));
    }
}
