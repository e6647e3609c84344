//! From an entry and what one service is given to that service's spec.

use std::time::Duration;

use locald_core::spec::{
    Connection, ContainerForm, Credentials, HealthCheck, Managed, NativeForm, PortMapping, ProbeSpec, Signal, Transfer,
    VolumeMount, VolumeSource, volume_name,
};

use super::{
    Asks, Entry, VolumeRecipe,
    native::{fill_all, fill_map},
    template::Values,
    versions::compare,
};
use crate::provision::Provided;

/// From where a service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A program of this machine.
    Machine,
    /// A container of the same project.
    Container,
}

const MACHINE: &str = "127.0.0.1";

impl Entry {
    /// What runs.
    pub(crate) fn managed(&self, service: &str, given: &Provided) -> Managed {
        self.with_values(service, given, Reader::Machine, |values| Managed {
            entry: self.name.clone(),
            title: self.title.clone(),
            version: given.version.clone(),
            data_format: self.versions.data_format(&given.version),
            generation: given.generation,
            container: self.container_form(service, given, values),
            native: self.native_form(values),
            credentials: credentials(given),
            credentials_in_data: self.credentials.in_data,
            change_credentials: self.credentials.change,
            transfer: match &self.transfer {
                None => Transfer::Files,
                Some((dump, restore)) => Transfer::Dump {
                    dump: fill_all(dump, values),
                    restore: fill_all(restore, values),
                },
            },
        })
    }

    /// How it runs as a process of this machine, where there is a way.
    #[must_use]
    pub fn native_form_of(&self, service: &str, given: &Provided) -> Option<NativeForm> {
        self.with_values(service, given, Reader::Machine, |values| self.native_form(values))
    }

    fn container_form(&self, service: &str, given: &Provided, values: &Values<'_>) -> ContainerForm {
        let recipe = &self.container;
        let mut env = fill_map(&recipe.env, values);
        if given.user != self.credentials.user {
            env.extend(fill_map(&recipe.other_user_env, values));
        }
        let mut volumes = Vec::new();
        for volume in recipe.volumes.iter().filter(|volume| volume.is_of(&given.version)) {
            let base = if volumes.is_empty() {
                service.to_owned()
            } else {
                format!("{service}.{}", volume.name)
            };
            volumes.push(VolumeMount {
                source: VolumeSource::Named {
                    name: volume_name(&base, given.generation),
                },
                target: volume.path.clone(),
                read_only: false,
            });
        }
        ContainerForm {
            image: self.image(&given.version),
            command: recipe.command.as_ref().map(|command| fill_all(command, values)),
            env,
            volumes,
        }
    }

    /// The image of a version.
    #[must_use]
    pub fn image(&self, version: &str) -> String {
        self.container.image.replace("{version}", self.versions.tag(version))
    }

    /// What is published on this machine.
    pub(crate) fn published(&self, given: &Provided) -> Vec<PortMapping> {
        self.ports
            .iter()
            .zip(&given.ports)
            .map(|(port, &host)| PortMapping {
                host: Some(host),
                port: port.port,
                protocol: port.protocol,
            })
            .collect()
    }

    /// How it is asked whether it answers.
    pub(crate) fn health_check(&self, given: &Provided) -> Option<HealthCheck> {
        let health = self.health.as_ref()?;
        let port = self.ports.get(health.port)?.port;
        let probe = match &health.asks {
            Asks::Tcp => ProbeSpec::Tcp { port },
            Asks::Http(path) => ProbeSpec::Http {
                port,
                path: path.clone(),
                status: None,
                body: None,
            },
            Asks::Service(protocol) => ProbeSpec::Service {
                protocol: *protocol,
                port,
                credentials: credentials(given),
            },
        };
        Some(HealthCheck {
            probe,
            interval: health.interval,
            timeout: health.timeout,
            retries: health.retries,
            start_period: health.start_period,
        })
    }

    /// How programs of this machine connect.
    pub(crate) fn connection(&self, service: &str, given: &Provided) -> Connection {
        let recipe = &self.connect;
        let masked_url = self.with_values(service, given, Reader::Machine, |values| {
            recipe.url.fill(&Values {
                masked: true,
                ..*values
            })
        });
        self.with_values(service, given, Reader::Machine, |values| Connection {
            url: values.url.to_owned(),
            masked_url,
            env: fill_map(&recipe.env, values),
            client: recipe.client.as_ref().map(|client| fill_all(client, values)),
            client_env: fill_map(&recipe.client_env, values),
            console: recipe.console.as_ref().map(|console| console.fill(values)),
        })
    }

    /// The URL, host and main port by which a reader reaches it.
    pub(crate) fn reached(&self, service: &str, given: &Provided, reader: Reader) -> (String, String, Option<u16>) {
        self.with_values(service, given, reader, |values| {
            (
                values.url.to_owned(),
                values.host.to_owned(),
                values.ports.first().copied(),
            )
        })
    }

    pub(crate) fn stop(&self) -> (Option<Signal>, Duration) {
        (self.stop_signal, self.stop_grace)
    }

    fn with_values<T>(
        &self,
        service: &str,
        given: &Provided,
        reader: Reader,
        then: impl FnOnce(&Values<'_>) -> T,
    ) -> T {
        let inside: Vec<_> = self.ports.iter().map(|port| port.inside).collect();
        let (host, ports) = match reader {
            Reader::Machine => (MACHINE, &given.ports),
            Reader::Container => (service, &inside),
        };
        let values = Values {
            host,
            ports,
            user: given.user.as_deref().unwrap_or_default(),
            password: given.password.as_ref().map_or("", |password| password.reveal()),
            database: given.database.as_deref().unwrap_or_default(),
            service,
            version: &given.version,
            url: "",
            masked: false,
        };
        let url = self.connect.url.fill(&values);
        then(&Values { url: &url, ..values })
    }
}

impl VolumeRecipe {
    fn is_of(&self, version: &str) -> bool {
        let from = self.from.as_ref().is_none_or(|from| compare(version, from).is_ge());
        let below = self.below.as_ref().is_none_or(|below| compare(version, below).is_lt());
        from && below
    }
}

fn credentials(given: &Provided) -> Credentials {
    Credentials {
        user: given.user.clone(),
        password: given.password.clone(),
        database: given.database.clone(),
    }
}
