//! What a service should be, as a project file declares it after validation.

mod managed;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{ServiceId, ServiceName};

pub use managed::{
    ChangeCredentials, Connection, ContainerForm, Credentials, Managed, NativeForm, Secret, ServiceProtocol, Transfer,
    volume_name,
};

/// A declared service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// The service's id.
    pub id: ServiceId,
    /// What runs.
    pub source: Source,
    /// Environment of the instance.
    pub env: BTreeMap<String, String>,
    /// Ports to publish.
    pub ports: Vec<PortMapping>,
    /// Folders and volumes to mount.
    pub volumes: Vec<VolumeMount>,
    /// Services that have to be up first.
    pub depends_on: Vec<Dependency>,
    /// How to ask the service whether it answers.
    pub health_check: Option<HealthCheck>,
    /// Without a check of its own, the one that its image declares is honoured.
    pub image_health_check: bool,
    /// What to do when the process ends by itself.
    pub restart: RestartPolicy,
    /// The signal that asks the process to end (`SIGTERM` form); `None` leaves it to the image.
    pub stop_signal: Option<Signal>,
    /// How long a stop may take before the process is killed.
    pub stop_grace: Duration,
    /// The folder the process starts in: inside the container, or on this machine for a plain process.
    pub workdir: Option<String>,
    /// Limits.
    pub resources: Resources,
    /// The engine that the file asks for, by id or family; `None` leaves it to the person's settings.
    pub engine: Option<String>,
    /// How programs of this machine connect, where locald knows it: to managed services, and processes with a port.
    pub connection: Option<Arc<Connection>>,
}

impl ServiceSpec {
    /// The grace period of a stop when the file names none, as other tools in the field have it.
    pub const DEFAULT_STOP_GRACE: Duration = Duration::from_secs(10);

    /// A spec with an image and nothing else.
    #[must_use]
    pub fn container(id: ServiceId, image: &str) -> Self {
        Self {
            id,
            source: Source::Container {
                image: image.to_owned(),
                command: None,
            },
            env: BTreeMap::new(),
            ports: Vec::new(),
            volumes: Vec::new(),
            depends_on: Vec::new(),
            health_check: None,
            image_health_check: true,
            restart: RestartPolicy::No,
            stop_signal: None,
            stop_grace: Self::DEFAULT_STOP_GRACE,
            workdir: None,
            resources: Resources::default(),
            engine: None,
            connection: None,
        }
    }

    /// What a container engine makes of it; `None` for what only runs as a process.
    #[must_use]
    pub fn container_form(&self) -> Option<ContainerForm> {
        match &self.source {
            Source::Container { image, command } => Some(ContainerForm {
                image: image.clone(),
                command: command.clone(),
                env: self.env.clone(),
                volumes: self.volumes.clone(),
            }),
            Source::Process { .. } => None,
            Source::Managed(managed) => {
                let mut form = managed.container.clone();
                form.env.extend(self.env.clone());
                form.volumes.extend(self.volumes.iter().cloned());
                Some(form)
            }
        }
    }

    /// The managed service it is.
    #[must_use]
    pub fn managed(&self) -> Option<&Managed> {
        match &self.source {
            Source::Managed(managed) => Some(managed),
            Source::Container { .. } | Source::Process { .. } => None,
        }
    }

    /// The same service with other data of its own: see [`Managed::generation`].
    #[must_use]
    pub fn with_generation(&self, generation: u32) -> Self {
        let mut spec = self.clone();
        if let Source::Managed(managed) = &mut spec.source {
            for volume in &mut managed.container.volumes {
                if let VolumeSource::Named { name } = &mut volume.source {
                    let base = managed::base_of(name, managed.generation);
                    *name = managed::volume_name(&base, generation);
                }
            }
            managed.generation = generation;
        }
        spec
    }

    /// The ids that `depends_on` names; all are of the same project.
    #[must_use]
    pub fn dependencies(&self) -> Vec<ServiceId> {
        self.depends_on.iter().map(|need| self.id_of(need)).collect()
    }

    /// The id that one of `depends_on` names.
    #[must_use]
    pub fn id_of(&self, need: &Dependency) -> ServiceId {
        ServiceId::new(self.id.project.clone(), need.name.clone())
    }

    /// Hash of all that shapes the instance (label `dev.locald.spec`): 16 hex digits of SHA-256 over the
    /// spec's JSON. What only locald acts on (`depends_on`, `health_check`, `image_health_check`, `restart`,
    /// `stop_grace`, `engine`) is left out, so that changing it doesn't recreate a container.
    #[must_use]
    pub fn hash(&self) -> String {
        let shape = (
            &self.source,
            &self.env,
            &self.ports,
            &self.volumes,
            &self.stop_signal,
            &self.workdir,
            &self.resources,
        );
        // Serialising plain maps, lists and strings into memory has no way to fail.
        let json = serde_json::to_vec(&shape).unwrap_or_default();
        Sha256::digest(&json)
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// A service that another one needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Its name; it is of the same project.
    pub name: ServiceName,
    /// What it has to have come to before the other one is started.
    pub condition: DependencyCondition,
}

impl From<ServiceName> for Dependency {
    fn from(name: ServiceName) -> Self {
        Self {
            name,
            condition: DependencyCondition::Healthy,
        }
    }
}

/// What a dependency has to have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyCondition {
    /// It runs and, where it has a health check, is healthy.
    #[default]
    Healthy,
    /// Its process runs.
    Running,
    /// It ended with exit code 0 since it was last started.
    Completed,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A container from an image.
    Container {
        /// Image reference, as one would write it after `docker run`.
        image: String,
        /// Arguments in place of the image's own command.
        command: Option<Vec<String>>,
    },
    /// A process of this user, with no container.
    Process {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// A service made from a catalog entry.
    Managed(Box<Managed>),
}

/// One published port. Always published on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PortMapping {
    /// Port on this machine; `None` takes any that is free.
    pub host: Option<u16>,
    /// Port inside the instance.
    pub port: u16,
    /// Transport.
    pub protocol: Protocol,
}

/// Transport of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeMount {
    /// What is mounted.
    pub source: VolumeSource,
    /// Absolute path inside the instance.
    pub target: String,
    /// No writing.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum VolumeSource {
    /// A volume of the engine, named `locald-<project>-<name>` there.
    Named {
        /// The name in the project file.
        name: String,
    },
    /// A folder or file of this machine, absolute.
    Path {
        /// The path.
        path: PathBuf,
    },
}

/// How locald asks a service whether it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The question.
    pub probe: ProbeSpec,
    /// Time between two probes.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// Failures in a row before the service counts as unhealthy (at least 1).
    pub retries: u32,
    /// Time after the start in which failures don't count.
    pub start_period: Duration,
}

/// The question a probe asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ProbeSpec {
    /// Does the port take a connection?
    Tcp {
        /// Port inside the instance; its published port is what gets asked.
        port: u16,
    },
    /// Does an HTTP GET answer as expected?
    Http {
        /// Port inside the instance; its published port is what gets asked.
        port: u16,
        /// Path with a leading slash.
        path: String,
        /// Expected status; `None` takes 200 to 399.
        status: Option<u16>,
        /// Text that has to be in the first 64 KiB of the answer.
        body: Option<String>,
    },
    /// Does a command inside the instance exit with 0?
    Command {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// Does the service answer in its own protocol, to the credentials that people are shown?
    Service {
        /// Which protocol.
        protocol: ServiceProtocol,
        /// Port inside the instance; its published port is what gets asked.
        port: u16,
        /// Who asks.
        credentials: Credentials,
    },
}

/// What to do when the process ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicy {
    /// Leave it.
    No,
    /// Start again after a failure.
    OnFailure {
        /// Give up after so many tries in a row; `None` never gives up.
        max: Option<u32>,
    },
    /// Start again after any end.
    Always,
}

/// A POSIX signal by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signal(pub u8);

impl Signal {
    /// Asks to end.
    pub const TERM: Self = Self(15);
    /// Ends without asking.
    pub const KILL: Self = Self(9);
    /// Ctrl-C.
    pub const INT: Self = Self(2);
    /// Quit.
    pub const QUIT: Self = Self(3);

    /// Names and numbers as Linux on x86-64 and arm64 has them (signal(7)).
    const NAMES: [(&'static str, u8); 31] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("TRAP", 5),
        ("ABRT", 6),
        ("BUS", 7),
        ("FPE", 8),
        ("KILL", 9),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
        ("STKFLT", 16),
        ("CHLD", 17),
        ("CONT", 18),
        ("STOP", 19),
        ("TSTP", 20),
        ("TTIN", 21),
        ("TTOU", 22),
        ("URG", 23),
        ("XCPU", 24),
        ("XFSZ", 25),
        ("VTALRM", 26),
        ("PROF", 27),
        ("WINCH", 28),
        ("IO", 29),
        ("PWR", 30),
        ("SYS", 31),
    ];

    /// Reads `SIGTERM`, `TERM`, `term` or `15`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.trim().to_ascii_uppercase();
        if let Ok(number) = upper.parse::<u8>() {
            return (1..=64).contains(&number).then_some(Self(number));
        }
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|&(_, number)| Self(number))
    }

    /// `SIGTERM`, or `signal 40` for one without a name.
    #[must_use]
    pub fn name(self) -> String {
        match Self::NAMES.iter().find(|&&(_, number)| number == self.0) {
            Some((name, _)) => format!("SIG{name}"),
            None => format!("signal {}", self.0),
        }
    }
}

/// Limits of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Memory limit in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU limit in thousandths of a core.
    pub cpu_millis: Option<u64>,
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_hash_follows_what_shapes_the_container_and_nothing_else() {
        let base = ServiceSpec::container("shop/db".parse().expect("id"), "lt/bb:dev");
        let mut restarted = base.clone();
        restarted.restart = RestartPolicy::Always;
        restarted.stop_grace = Duration::from_secs(1);
        assert_eq!(base.hash(), restarted.hash());
        let mut changed = base.clone();
        changed.env.insert("A".into(), "1".into());
        assert_ne!(base.hash(), changed.hash());
        assert_eq!(base.hash().len(), 16);
    }

    #[test]
    fn signals_read_in_every_usual_form() {
        for text in ["SIGTERM", "term", "15", " TERM "] {
            assert_eq!(Signal::parse(text), Some(Signal::TERM), "{text}");
        }
        assert_eq!(Signal::parse("SIGNOPE"), None);
        assert_eq!(Signal::parse("0"), None);
        assert_eq!(Signal::TERM.name(), "SIGTERM");
        assert_eq!(Signal(40).name(), "signal 40");
    }
}
