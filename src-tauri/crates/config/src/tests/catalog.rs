//! The catalog's entries: each reads, and all that it says comes out whole for every version.

use locald_core::{
    ServiceId,
    spec::{Managed, Secret, ServiceSpec},
};

use super::*;
use crate::{
    catalog::{Catalog, Entry},
    provision::{Provided, Provision, Wish},
};

const MARKER: &str = "geheim-p@ss:/?#[]%";

/// Gives each service ports of its own from 20000, and one password.
struct Given(u16);

impl Provision for Given {
    fn managed(&mut self, wish: &Wish<'_>) -> Provided {
        let mut ports: Vec<_> = wish.entry.ports().iter().map(|_| self.port(wish.service)).collect();
        ports[0] = wish.port.unwrap_or(ports[0]);
        wish.provided(wish.entry.default_version(), ports, &Secret::new(MARKER), 1)
    }

    fn port(&mut self, _service: &ServiceId) -> u16 {
        self.0 += 1;
        self.0
    }
}

fn with(text: &str, catalog: &Catalog) -> Result<ProjectFile, ConfigErrors> {
    let path = Path::new("/p/shop/locald.toml");
    crate::parse_project(path, text, &context(), catalog, &mut Given(20000))
}

fn service(text: &str) -> ServiceSpec {
    let project = with(text, &Catalog::built_in()).map_err(|errors| errors.render(false, 100));
    project.unwrap().services[0].clone()
}

fn spec(entry: &Entry, version: &str) -> ServiceSpec {
    service(&format!(
        "[services.db]\ntype = \"{}\"\nversion = \"{version}\"",
        entry.name()
    ))
}

fn managed(spec: &ServiceSpec) -> &Managed {
    spec.managed().unwrap()
}

/// Each entry in each of its versions.
fn each(mut then: impl FnMut(&Entry, &str, &ServiceSpec)) {
    for entry in Catalog::built_in().entries() {
        for version in entry.versions() {
            then(entry, version, &spec(entry, version));
        }
    }
}

#[test]
fn every_entry_reads() {
    for (name, text) in crate::catalog::files() {
        let read = crate::catalog::parse(Path::new(name), text).map_err(|errors| errors.render(false, 100));
        assert_eq!(read.unwrap().name(), *name);
    }
    assert_eq!(Catalog::built_in().entries().count(), crate::catalog::files().len());
}

#[test]
fn names_and_aliases_are_of_one_entry() {
    let catalog = Catalog::built_in();
    let names: Vec<_> = catalog.entries().flat_map(Entry::names).collect();
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(names.len(), unique.len());
    for (alias, name) in [
        ("postgresql", "postgres"),
        ("pg", "postgres"),
        ("mongo", "mongodb"),
        ("redpanda", "kafka"),
    ] {
        assert_eq!(catalog.entry(alias).unwrap().name(), name);
    }
}

/// All texts that other programs of the machine can read.
fn shown(spec: &ServiceSpec) -> Vec<String> {
    let managed = managed(spec);
    let mut texts = managed.container.command.clone().unwrap_or_default();
    texts.push(managed.container.image.clone());
    if let Some(native) = &managed.native {
        texts.extend(native.args.clone());
        texts.extend(native.init.clone().unwrap_or_default());
    }
    if let locald_core::spec::Transfer::Dump { dump, restore } = &managed.transfer {
        texts.extend(dump.iter().chain(restore).cloned());
    }
    let connection = spec.connection.as_ref().unwrap();
    texts.extend(connection.client.clone().unwrap_or_default());
    texts.push(connection.masked_url.clone());
    texts.extend(connection.console.clone());
    texts
}

#[test]
fn no_password_stands_where_other_programs_read() {
    each(|entry, version, spec| {
        for text in shown(spec) {
            for part in ["geheim", "p%40ss", "p@ss"] {
                assert!(!text.contains(part), "{} {version}: {text}", entry.name());
            }
        }
        let told = format!("{spec:?}");
        assert!(!told.contains("geheim"), "{told}");
    });
}

#[test]
fn nothing_is_left_to_fill_in_but_what_the_engine_does() {
    each(|entry, version, spec| {
        let managed = managed(spec);
        let connection = spec.connection.as_ref().unwrap();
        let mut texts = shown(spec);
        texts.extend(managed.container.env.values().cloned());
        texts.extend(connection.env.values().chain(connection.client_env.values()).cloned());
        texts.push(connection.url.clone());
        if let Some(native) = &managed.native {
            let all = [&native.files, &native.env, &native.client_env];
            texts.extend(all.into_iter().flat_map(|map| map.values().cloned()));
        }
        for text in texts {
            let mut rest = text.as_str();
            while let Some((_, after)) = rest.split_once('{') {
                let inner = after.split('}').next().unwrap_or_default();
                let engine = matches!(inner, "data" | "run" | "bin" | "file");
                // NATS' settings have braces of their own.
                assert!(engine || inner.starts_with(' '), "{} {version}: {text}", entry.name());
                rest = after;
            }
        }
    });
}

#[test]
fn every_image_is_a_reference_that_an_engine_takes() {
    each(|entry, version, spec| {
        let image = &managed(spec).container.image;
        assert!(parse(&format!("[services.a]\nimage = \"{image}\"")).is_ok(), "{image}");
        assert!(
            image.contains(':') && !image.contains('{'),
            "{} {version}: {image}",
            entry.name()
        );
    });
}

#[test]
fn every_entry_can_be_asked_and_is_named_by_an_icon() {
    each(|entry, version, spec| {
        let check = spec.health_check.as_ref().unwrap();
        assert!(!spec.image_health_check);
        let port = match &check.probe {
            ProbeSpec::Service { port, .. } | ProbeSpec::Http { port, .. } | ProbeSpec::Tcp { port } => *port,
            ProbeSpec::Command { .. } => 0,
        };
        assert!(spec.ports.iter().any(|published| published.port == port));
        let item = entry.item(&[]);
        assert!(item.icon.unwrap().contains("viewBox=\"0 0 24 24\""));
        assert!(
            spec.connection.as_ref().unwrap().url.contains("20001"),
            "{} {version}",
            entry.name()
        );
    });
}

#[test]
fn postgres_keeps_its_data_where_each_version_has_it() {
    for (version, path) in [
        ("18", "/var/lib/postgresql"),
        ("19", "/var/lib/postgresql"),
        ("18.1", "/var/lib/postgresql"),
        ("17", "/var/lib/postgresql/data"),
        ("17.2", "/var/lib/postgresql/data"),
        ("10", "/var/lib/postgresql/data"),
    ] {
        let spec = service(&format!("[services.db]\ntype = \"pg\"\nversion = \"{version}\""));
        let form = spec.container_form().unwrap();
        let mounts: Vec<_> = form.volumes.iter().map(|volume| volume.target.as_str()).collect();
        assert_eq!(mounts, [path], "{version}");
        assert_eq!(form.image, format!("postgres:{version}"));
        assert_eq!(managed(&spec).data_format.as_deref(), version.split('.').next());
    }
}

#[test]
fn servers_tell_longer_versions_than_the_catalog_counts() {
    let catalog = Catalog::built_in();
    for (entry, told, version) in [
        ("postgres", "15.14 (Debian 15.14-0+deb12u1)", Some("15")),
        ("postgres", "18beta1", Some("18")),
        ("postgres", "9.6.24", None),
        ("redis", "7.0.15", Some("7")),
        ("valkey", "9.1.2", Some("9")),
        ("mariadb", "10.11.19-MariaDB-0+deb12u1", Some("10.11")),
        ("memcached", "1.6.18", Some("1.6")),
        ("nats", "2.9.10", Some("2")),
        ("mosquitto", "2.0.11", Some("2")),
        ("etcd", "3.4.23", Some("3.4")),
        ("redis", "unknown", None),
        ("minio", "2025", None),
    ] {
        let counted = catalog.entry(entry).unwrap().version_of_server(told);
        assert_eq!(counted.as_deref(), version, "{entry} {told}");
    }
}

#[test]
fn what_is_on_this_machine_is_the_default() {
    let catalog = Catalog::built_in();
    let item = |here: &[&str]| {
        let here: Vec<_> = here.iter().map(|&version| version.to_owned()).collect();
        catalog.entry("postgres").unwrap().item(&here).default_version
    };
    assert_eq!(item(&[]), "18");
    assert_eq!(item(&["15"]), "15");
    assert_eq!(item(&["18", "15"]), "18");
}
