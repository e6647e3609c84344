//! Project files: what they declare, and what becomes of what they no longer declare.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use super::Turn;
use crate::{
    EngineId, Problem, ProblemCode, ProjectName, ServiceId,
    event::{Effect, ProjectSpec},
    snapshot::Desired,
    state::{Memory, Phase, ProjectRecord, Remembered, Service},
};

impl Turn<'_> {
    pub(super) fn memory_restored(&mut self, memory: Memory) {
        for (id, remembered) in memory.services {
            match self.service(&id) {
                Some(service) => service.recall(remembered),
                None => {
                    self.state.remembered.services.insert(id, remembered);
                }
            }
        }
    }

    pub(super) fn project_loaded(&mut self, project: ProjectSpec) {
        let mut engines_to_list = BTreeSet::new();
        let order: Vec<ServiceId> = project.services.iter().map(|spec| spec.id.clone()).collect();
        for spec in project.services {
            let id = spec.id.clone();
            self.make_room(&id, &mut engines_to_list);
            if let Some(service) = self.service(&id) {
                let asked_otherwise = service.spec.health_check != spec.health_check;
                service.redeclare(spec);
                // What the old check said is no answer to the new one.
                if asked_otherwise && service.phase == (Phase::Running { paused: false }) {
                    self.begin_probing(&id);
                }
                continue;
            }
            let mut service = Service::new(spec, Desired::Stopped, None);
            service.since = Some(self.now);
            if let Some(remembered) = self.state.remembered.services.remove(&id) {
                service.recall(remembered);
            }
            self.state.services.insert(id.clone(), service);
            self.place_one(&id);
            engines_to_list.extend(self.state.engines.iter().map(|engine| engine.id.clone()));
        }
        for (id, service) in &mut self.state.services {
            if id.project == project.name && !order.contains(id) && !service.external {
                service.declared = false;
            }
        }
        self.state.projects.insert(
            project.name,
            ProjectRecord {
                folder: project.folder,
                order,
                forgotten: false,
                problem: None,
            },
        );
        // Where a service goes depends on those that need it.
        self.place();
        // An instance of a new service may exist since an earlier life: only a list tells. Until then nothing is known.
        for engine in engines_to_list {
            if let Some(record) = self.state.engines.iter_mut().find(|record| record.id == engine)
                && record.is_ready()
            {
                self.effects.push(Effect::List { engine });
            }
        }
    }

    /// A project declares a service whose id a container has that locald did not make, or made in an earlier life: the
    /// first gets another id with the next list, the second is that service.
    fn make_room(&mut self, id: &ServiceId, engines_to_list: &mut BTreeSet<EngineId>) {
        let Some(service) = self.service(id).filter(|service| service.external) else {
            return;
        };
        let made_here = service
            .instance
            .as_ref()
            .is_some_and(|instance| instance.spec_hash.is_some());
        if made_here {
            service.external = false;
            service.declared = true;
            let alive = service.instance.as_ref().is_some_and(|instance| instance.alive);
            service.desired = if alive { Desired::Running } else { Desired::Stopped };
            if let Some(remembered) = self.state.remembered.services.remove(id)
                && let Some(service) = self.service(id)
            {
                service.desired = remembered.desired;
                service.muted = remembered.muted;
            }
        } else if let Some(service) = self.state.services.remove(id) {
            if let Some(ticket) = service.phase.ticket() {
                self.effects.push(Effect::Cancel { ticket: ticket.clone() });
            }
            engines_to_list.extend(service.engine);
        }
    }

    pub(super) fn project_faulted(&mut self, name: ProjectName, folder: PathBuf, problem: Problem) {
        self.state
            .projects
            .entry(name)
            .or_insert_with(|| ProjectRecord {
                folder,
                order: Vec::new(),
                forgotten: false,
                problem: None,
            })
            .problem = Some(problem);
    }

    pub(super) fn project_forgotten(&mut self, name: &ProjectName) {
        if let Some(project) = self.state.projects.get_mut(name) {
            project.forgotten = true;
            project.order.clear();
        }
        for (id, service) in &mut self.state.services {
            if id.project == *name && !service.external {
                service.declared = false;
            }
        }
    }

    /// Drops services that their file no longer declares once nothing of them runs.
    pub(super) fn prune(&mut self) {
        self.state.services.retain(|_, service| {
            if service.external {
                // A row for what is there, and for what can't be asked.
                return service.instance.is_some() || service.is_active();
            }
            let runs = service.is_active() || service.instance.as_ref().is_some_and(|instance| instance.alive);
            if !service.declared && runs && service.problem.is_none() {
                service.problem = Some(Problem::new(
                    ProblemCode::NotInConfig,
                    format!("{} is no longer in its project file and still runs", service.spec.id),
                ));
            }
            service.declared || runs
        });
        let services = &self.state.services;
        self.state
            .projects
            .retain(|name, project| !project.forgotten || services.keys().any(|id| id.project == *name));
    }
}

impl Service {
    fn recall(&mut self, remembered: Remembered) {
        self.desired = remembered.desired;
        self.muted = remembered.muted;
        if self.instance.is_none()
            && let Some(engine) = remembered.engine
        {
            self.engine = Some(engine);
            self.held = true;
        }
    }

    fn redeclare(&mut self, spec: Arc<crate::ServiceSpec>) {
        if !self.declared {
            self.declared = true;
            if self
                .problem
                .as_ref()
                .is_some_and(|problem| problem.code == ProblemCode::NotInConfig)
            {
                self.problem = None;
            }
        }
        if *self.spec == *spec {
            return;
        }
        self.spec_hash = spec.hash();
        self.spec = spec;
        // What failed with the old text of the file says nothing of the new one.
        if self.phase == Phase::Failed {
            self.phase = Phase::Stopped;
            self.problem = None;
        }
    }
}
