//! Before a managed service is started: is what it has what its file asks for? Nothing is touched to find out.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use locald_core::{
    Choice, Problem, ProblemCode, ServiceId,
    spec::{Managed, Transfer},
};
use locald_engine::{InstanceSpec, SharedEngine};

use super::records::{Made, Records, Unfinished};

/// What is looked at before a start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    pub(crate) records: Records,
    /// Services that work is done on, and whether they may be started meanwhile.
    closed: Arc<Mutex<BTreeMap<ServiceId, bool>>>,
}

/// Keeps a service from being started for as long as it lives.
#[derive(Debug)]
pub(crate) struct Closed {
    gate: Gate,
    service: ServiceId,
}

impl Closed {
    pub(crate) fn service(&self) -> &ServiceId {
        &self.service
    }

    /// Lets it be started: the work needs it. Other work on its data is kept off all the same.
    pub(crate) fn let_start(&self) {
        let mut closed = self.gate.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.insert(self.service.clone(), true);
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let mut closed = self.gate.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.remove(&self.service);
    }
}

impl Gate {
    /// Reads what is remembered. What was left half done is kept from being started until that is undone.
    pub(crate) fn remember(&self, path: PathBuf) -> Vec<(Closed, Unfinished)> {
        self.records.open(path);
        let unfinished = self.records.unfinished().into_iter();
        unfinished
            .filter_map(|(service, before)| Some((self.close(&service)?, before)))
            .collect()
    }

    /// Keeps a service from being started; `None` when that is so already.
    pub(crate) fn close(&self, service: &ServiceId) -> Option<Closed> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if closed.contains_key(service) {
            return None;
        }
        closed.insert(service.clone(), false);
        Some(Closed {
            gate: self.clone(),
            service: service.clone(),
        })
    }

    /// May it be started as far as locald's own work on its data goes?
    pub(crate) fn open(&self, service: &ServiceId) -> Result<(), Problem> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if closed.get(service) == Some(&false) {
            let detail = format!("the data of {service} is being copied; start it when that is done");
            return Err(Problem::new(ProblemCode::StartFailed, detail));
        }
        Ok(())
    }

    /// Does its data fit? Also notes what new data is about to be made with.
    pub(crate) async fn admit(&self, spec: &InstanceSpec, engine: &SharedEngine) -> Result<(), Problem> {
        let service = &spec.service;
        self.open(&service.id)?;
        let Some(managed) = service.managed() else {
            return Ok(());
        };
        let facts = engine.data(spec).await.map_err(|error| error.problem())?;
        let made = self.records.made(service);
        match facts {
            None => {
                let made = Made::of(managed, &engine.identity().id);
                let noted = self.records.change(&service.id, |record| {
                    record.made.insert(managed.generation, made);
                });
                noted.map_err(|error| {
                    let detail = format!("what {} is made with could not be noted: {error}", service.id);
                    Problem::new(code_of(&error), detail)
                })
            }
            Some(facts) => {
                let format = facts
                    .format
                    .or_else(|| made.as_ref().and_then(|made| made.format.clone()));
                version_fits(&service.id, managed, format.as_deref(), &facts.place)?;
                made.map_or(Ok(()), |made| credentials_fit(&service.id, managed, &made))
            }
        }
    }
}

/// The code of a file that could not be written.
pub(crate) fn code_of(error: &std::io::Error) -> ProblemCode {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ProblemCode::DiskFull,
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => ProblemCode::DataNotPermitted,
        _ => ProblemCode::StartFailed,
    }
}

fn version_fits(service: &ServiceId, managed: &Managed, found: Option<&str>, place: &str) -> Result<(), Problem> {
    let (Some(found), Some(wanted)) = (found, managed.data_format.as_deref()) else {
        return Ok(());
    };
    if found == wanted {
        return Ok(());
    }
    let detail = format!(
        "the data of {service} ({place}) is from {} {found}, and this is {wanted}",
        managed.title
    );
    // A dump of a newer server isn't promised to be understood by an older one.
    let older = found
        .parse::<u32>()
        .ok()
        .zip(wanted.parse::<u32>().ok())
        .is_some_and(|(found, wanted)| found < wanted);
    let dumps = matches!(managed.transfer, Transfer::Dump { .. });
    let choices: &[Choice] = if older && dumps {
        &[Choice::KeepVersion, Choice::Upgrade, Choice::StartEmpty]
    } else {
        &[Choice::KeepVersion, Choice::StartEmpty]
    };
    Err(Problem::new(ProblemCode::VersionDiffers, detail).with_choices(choices))
}

fn credentials_fit(service: &ServiceId, managed: &Managed, made: &Made) -> Result<(), Problem> {
    if !managed.credentials_in_data {
        return Ok(());
    }
    let (old, new) = (&made.credentials, &managed.credentials);
    let mut changed = Vec::new();
    if old.user != new.user {
        changed.push("user");
    }
    if old.password != new.password {
        changed.push("password");
    }
    if old.database != new.database {
        changed.push("database");
    }
    if changed.is_empty() {
        return Ok(());
    }
    let changed = changed.join(" and ");
    let detail = format!("the data of {service} was made with another {changed} than its file asks for now");
    let choices: &[Choice] = if managed.change_credentials.is_some() {
        &[Choice::KeepCredentials, Choice::ApplyCredentials, Choice::StartEmpty]
    } else {
        &[Choice::KeepCredentials, Choice::StartEmpty]
    };
    Err(Problem::new(ProblemCode::CredentialsDiffer, detail).with_choices(choices))
}
