//! Entries whose server can't be had here: what can be checked without it.

use std::{collections::BTreeSet, path::Path};

use locald_config::{ParseContext, catalog::Catalog, parse_project, provision::Fixed};
use locald_core::spec::{ProbeSpec, Secret, ServiceSpec};
use locald_engine_testbed::Server;
use url::Url;

use crate::{clients::percent_decoded, table};

/// With what has to be escaped in a URL.
const PASSWORD: &str = "p@ss:/?#[]%wörd";

/// Why each isn't here.
const REASONS: [(&str, &str); 8] = [
    ("mysql", "Debian has MariaDB in its place"),
    ("mongodb", "in no package; its probe is tested with a stand-in"),
    ("kafka", "in no package; its probe is tested with a stand-in"),
    ("minio", "in no package; its probe is HTTP"),
    ("mailpit", "in no package; its probe is HTTP"),
    ("opensearch", "in no package; its probe is HTTP"),
    ("meilisearch", "in no package; its probe is HTTP"),
    ("clickhouse", "in no package; its probe is tested with a stand-in"),
];

#[test]
fn entries_that_are_not_here_have_an_image_a_probe_and_a_url() {
    let catalog = Catalog::built_in();
    let here: BTreeSet<_> = Server::ALL.into_iter().map(Server::entry).collect();
    let mut text = String::new();
    let mut absent = BTreeSet::new();
    for entry in catalog.entries().filter(|entry| !here.contains(entry.name())) {
        let reason = REASONS.iter().find(|(name, _)| *name == entry.name());
        let (_, reason) = reason.unwrap_or_else(|| panic!("{} is neither tried nor known to be absent", entry.name()));
        absent.insert(entry.name());
        for version in entry.versions() {
            check(&spec(&catalog, entry.name(), version));
        }
        let image = spec(&catalog, entry.name(), entry.default_version())
            .container_form()
            .unwrap()
            .image
            .clone();
        text += &format!("{}\t{image}\tnot here: {reason}\t\n", entry.name());
    }
    assert_eq!(absent, REASONS.iter().map(|(name, _)| *name).collect());
    table::write("absent", &text);
}

fn spec(catalog: &Catalog, entry: &str, version: &str) -> ServiceSpec {
    let text = format!("[project]\nname = \"shop\"\n[services.it]\ntype = \"{entry}\"\nversion = \"{version}\"\n");
    let mut given = Fixed {
        password: Secret::new(PASSWORD),
        port: 24_000,
    };
    let path = Path::new("/shop/locald.toml");
    let context = ParseContext {
        folder: "/shop".into(),
        home: None,
        personal: false,
    };
    let project = parse_project(path, &text, &context, catalog, &mut given);
    let project = project.unwrap_or_else(|errors| panic!("{entry} {version}: {}", errors.render(false, 100)));
    project.services[0].clone()
}

fn check(spec: &ServiceSpec) {
    let image = &spec.container_form().unwrap().image;
    let (name, tag) = image.rsplit_once(':').unwrap();
    assert!(!name.is_empty() && !tag.is_empty() && !tag.contains('{'), "{image}");

    let published = |port: u16| {
        spec.ports
            .iter()
            .find(|mapping| mapping.port == port)
            .and_then(|mapping| mapping.host)
    };
    let probe = &spec.health_check.as_ref().unwrap().probe;
    let (ProbeSpec::Service { port, .. } | ProbeSpec::Http { port, .. }) = probe else {
        panic!("{image}: {probe:?}");
    };
    assert!(published(*port).is_some(), "{image}: nothing publishes {port}");

    let connection = spec.connection.as_ref().unwrap();
    let url = Url::parse(&connection.url).unwrap_or_else(|error| panic!("{image}: {error}"));
    assert_eq!(url.host_str(), Some("127.0.0.1"), "{image}");
    let port = url.port_or_known_default();
    assert!(
        spec.ports.iter().any(|mapping| mapping.host == port),
        "{image}: {port:?}"
    );
    if let Some(password) = url.password() {
        assert_eq!(percent_decoded(password), PASSWORD, "{image}");
    }
    assert!(
        !connection.masked_url.contains("wörd") && !connection.masked_url.contains("w%C3%B6rd"),
        "{image}"
    );
}
