//! Project files: what they declare, and what becomes of what they no longer declare.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use super::Turn;
use crate::{
    Problem, ProblemCode, ProjectName, ServiceId,
    event::{Effect, ProjectSpec},
    snapshot::Desired,
    state::{Phase, ProjectRecord, Service},
};

impl Turn<'_> {
    pub(super) fn desired_restored(&mut self, desired: BTreeMap<ServiceId, Desired>) {
        for (id, wish) in desired {
            match self.service(&id) {
                Some(service) => service.desired = wish,
                None => {
                    self.state.remembered.insert(id, wish);
                }
            }
        }
    }

    pub(super) fn project_loaded(&mut self, project: ProjectSpec) {
        let mut engines_to_list = Vec::new();
        let order: Vec<ServiceId> = project.services.iter().map(|spec| spec.id.clone()).collect();
        for spec in project.services {
            let id = spec.id.clone();
            if let Some(service) = self.service(&id) {
                let asked_otherwise = service.spec.health_check != spec.health_check;
                service.redeclare(spec);
                // What the old check said is no answer to the new one.
                if asked_otherwise && service.phase == (Phase::Running { paused: false }) {
                    self.begin_probing(&id);
                }
                continue;
            }
            let desired = self.state.remembered.remove(&id).unwrap_or(Desired::Stopped);
            let engine = self.state.default_engine().map(|engine| engine.id.clone());
            if let Some(engine) = &engine
                && !engines_to_list.contains(engine)
            {
                engines_to_list.push(engine.clone());
            }
            let mut service = Service::new(spec, desired, engine);
            service.since = Some(self.now);
            self.state.services.insert(id, service);
        }
        for (id, service) in &mut self.state.services {
            if id.project == project.name && !order.contains(id) {
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
        // An instance of a new service may exist since an earlier life: only a list tells.
        for engine in engines_to_list {
            if self
                .state
                .engines
                .iter()
                .any(|record| record.id == engine && record.is_ready())
            {
                self.effects.push(Effect::List { engine });
            }
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
            if id.project == *name {
                service.declared = false;
            }
        }
    }

    /// Drops services that their file no longer declares once nothing of them runs.
    pub(super) fn prune(&mut self) {
        self.state.services.retain(|_, service| {
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
