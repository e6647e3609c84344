//! Gives managed services what their file leaves open, and remembers it.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

use locald_config::{
    catalog::Entry,
    provision::{Provided, Provision, Wish},
};
use locald_core::{ServiceId, offers::Server, spec::Secret, view::managed::CatalogItem};

use super::records::{Meanwhile, Record, Records};

/// Letters of a generated password: none that is easily taken for another, none that a URL or a shell minds.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789";
/// Length of a generated password: 24 letters of 55 are 138 bits.
const PASSWORD_LENGTH: usize = 24;
/// The first port that is tried for a process whose file says `port = "auto"`.
const FIRST_AUTO: u16 = 4000;
/// How far from the well-known port a free one is looked for.
const NEAR: u16 = 1000;

pub(crate) struct Provisioner {
    records: Records,
    servers: Vec<Server>,
    /// Ports that services have by their files or were given.
    taken: Vec<(ServiceId, u16)>,
    /// Ports that the file itself names.
    named: Vec<u16>,
    not_saved: Option<io::Error>,
}

impl Provisioner {
    pub(crate) fn new(records: Records, servers: Vec<Server>, taken: Vec<(ServiceId, u16)>) -> Self {
        Self {
            records,
            servers,
            taken,
            named: Vec::new(),
            not_saved: None,
        }
    }

    /// Why what was given could not be remembered.
    pub(crate) fn not_saved(self) -> Option<io::Error> {
        self.not_saved
    }

    /// An entry to choose from. Its usual version is the newest whose server is on this machine, else the catalog's.
    pub(crate) fn item(entry: &Entry, servers: &[Server]) -> CatalogItem {
        let here: Vec<String> = servers
            .iter()
            .filter(|server| server.here && server.entry == entry.name())
            .map(|server| server.version.clone())
            .collect();
        entry.item(&here)
    }

    fn remember(&mut self, service: &ServiceId, record: &Record) {
        let changed = self.records.change(service, |known| *known = record.clone());
        if let Err(error) = changed {
            self.not_saved = Some(error);
        }
    }

    fn port_near(&self, service: &ServiceId, wanted: u16, own: &[u16]) -> u16 {
        let others = self.records.ports_of_others(service);
        let taken = |port: u16| {
            own.contains(&port)
                || self.named.contains(&port)
                || others.contains(&port)
                || self.taken.iter().any(|(id, taken)| id != service && *taken == port)
        };
        next_free(wanted, taken).unwrap_or(wanted)
    }
}

impl Provision for Provisioner {
    fn named(&mut self, ports: &[u16]) {
        self.named = ports.to_vec();
    }

    fn managed(&mut self, wish: &Wish<'_>) -> Provided {
        let service = wish.service;
        let entry = wish.entry;
        let mut record = self.records.get(service);
        let before = record.clone();
        let version = match wish.version {
            Some(version) => version.to_owned(),
            None => record
                .version
                .get_or_insert_with(|| Self::item(entry, &self.servers).default_version)
                .clone(),
        };
        let (mut ports, mut given) = (Vec::new(), Vec::new());
        for (index, wanted) in entry.ports().iter().enumerate() {
            let known = record.ports.get(index).copied().unwrap_or(0);
            let pinned = wish.port.filter(|_| index == 0);
            let port = match (pinned, known) {
                (Some(port), _) => port,
                (None, 0) => self.port_near(service, wanted.well_known, &ports),
                (None, known) => known,
            };
            ports.push(port);
            // A port that the file names is the file's, and what was given before is kept for when it names none.
            given.push(if pinned.is_some() { known } else { port });
        }
        record.ports = given;
        let password = match wish.password {
            None if entry.has_password() => record.password.get_or_insert_with(generated).clone(),
            _ => Secret::new(""),
        };
        if record != before {
            self.remember(service, &record);
        }
        let mut provided = wish.provided(&version, ports, &password, record.generation);
        if let Some(Meanwhile { made, ports }) = record.meanwhile {
            provided.version = made.version;
            provided.user = made.credentials.user;
            provided.password = made.credentials.password;
            provided.database = made.credentials.database;
            if ports.len() == provided.ports.len() {
                provided.ports = ports;
            }
        }
        provided
    }

    fn port(&mut self, service: &ServiceId) -> u16 {
        let mut record = self.records.get(service);
        if let Some(port) = record.ports.first().copied().filter(|port| *port != 0) {
            return port;
        }
        let port = self.port_near(service, FIRST_AUTO, &[]);
        record.ports = vec![port];
        self.remember(service, &record);
        port
    }
}

/// The port, or the next one up that nothing listens on and `taken` doesn't know.
pub(super) fn next_free(wanted: u16, taken: impl Fn(u16) -> bool) -> Option<u16> {
    let last = wanted.saturating_add(NEAR);
    (wanted..=last).find(|port| !taken(*port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}

fn generated() -> Secret {
    let mut bytes = [0_u8; PASSWORD_LENGTH];
    let letters: String = match getrandom::fill(&mut bytes) {
        // A modulo of 55 favours some letters by a fifth, which 138 bits can bear.
        Ok(()) => bytes
            .iter()
            .filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()))
            .map(|letter| char::from(*letter))
            .collect(),
        // No randomness: better none than one that can be guessed; the service then refuses to start.
        Err(error) => {
            tracing::error!(%error, "no password could be made");
            String::new()
        }
    };
    Secret::new(letters)
}
