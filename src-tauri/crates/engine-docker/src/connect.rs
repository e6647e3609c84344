//! The sign of life: who the engine is, whether the API versions meet, and what its clock shows.

use std::{sync::atomic::Ordering, time::Duration};

use hyper::{HeaderMap, Method, header};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use locald_engine::{ConnectFault, EngineKind, EngineVersion};
use serde::Deserialize;

use crate::{
    DockerEngine,
    endpoint::{SILENCE, SILENCE_SECONDS},
    http::{Answer, Failure, encode},
    wire::{Version, lenient},
};

/// The oldest API locald speaks: Docker 20.10, the oldest that distributions still ship.
const OLDEST: (u32, u32) = (1, 41);
/// The newest API locald was written for, as bollard's models have it.
const NEWEST: (u32, u32) = (1, 53);
/// Clocks that are this close are the same: the `Date` header has whole seconds.
const SAME_CLOCK: SignedDuration = SignedDuration::from_secs(2);
/// How long an engine may think about who it is, which is nice to know and nothing to fail for.
const WHO: Duration = Duration::from_millis(2200);

/// Podman's version of its own API.
const LIBPOD: &str = "libpod-api-version";

/// `GET /info` of Docker.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Docker {
    /// Up to Docker 23 the machine's: two engines on one machine, and those of copied machines, have the same.
    #[serde(rename = "ID", deserialize_with = "lenient")]
    id: String,
    #[serde(rename = "Name", deserialize_with = "lenient")]
    host: String,
    #[serde(rename = "DockerRootDir", deserialize_with = "lenient")]
    root: String,
    #[serde(rename = "SystemTime", deserialize_with = "lenient")]
    system_time: Option<Timestamp>,
}

/// `GET /libpod/info` of Podman, whose id in `/info` is another one each time.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Podman {
    #[serde(deserialize_with = "lenient")]
    host: PodmanHost,
    #[serde(deserialize_with = "lenient")]
    store: PodmanStore,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodmanHost {
    #[serde(deserialize_with = "lenient")]
    hostname: String,
    /// Tells apart virtual machines made from one image, which often share a name.
    #[serde(rename = "memTotal", deserialize_with = "lenient")]
    memory: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PodmanStore {
    #[serde(rename = "graphRoot", deserialize_with = "lenient")]
    graph_root: String,
    #[serde(rename = "runRoot", deserialize_with = "lenient")]
    run_root: String,
}

impl DockerEngine {
    pub(crate) async fn ask(&self) -> Result<EngineVersion, ConnectFault> {
        self.in_time(self.version()).await
    }

    pub(crate) async fn sign_of_life(&self) -> Result<(), ConnectFault> {
        self.in_time(self.headers()).await.map(drop)
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, ConnectFault>>) -> Result<T, ConnectFault> {
        tokio::time::timeout(SILENCE, answer).await.unwrap_or_else(|_| {
            Err(ConnectFault::Silent {
                endpoint: self.http.endpoint.to_string(),
                seconds: SILENCE_SECONDS,
            })
        })
    }

    async fn headers(&self) -> Result<HeaderMap, ConnectFault> {
        let mut answer = self.http.send(Method::GET, "/_ping", None).await;
        if let Err(Failure::Broken(_)) = answer {
            // An engine that ends just now breaks the connections that it hasn't taken yet.
            answer = self.http.send(Method::GET, "/_ping", None).await;
        }
        match answer {
            Ok(answer) => Ok(answer.headers),
            // What lets only chosen paths through to an engine may not know this one.
            Err(Failure::Status { code: 403 | 404, .. }) => Ok(HeaderMap::new()),
            Err(failure) => Err(self.fault(failure)),
        }
    }

    async fn version(&self) -> Result<EngineVersion, ConnectFault> {
        let asked = Timestamp::now();
        let headers = self.headers().await?;
        let clock = clock_offset(&headers, asked);
        let (mut version, offset) = match podman(&headers) {
            Some(version) => {
                let seen = Version {
                    version: version.version.clone(),
                    api_version: version.api.clone(),
                    ..Version::default()
                };
                check(EngineKind::Podman, &seen, parse(&version.api).unwrap_or(OLDEST))?;
                (version, clock)
            }
            None => self.docker(clock).await?,
        };
        if version.kind == EngineKind::Podman {
            // Each Podman knows its own path; the fallback is one that all since 4.0 know.
            let libpod = headers.get(LIBPOD).and_then(|libpod| libpod.to_str().ok());
            version.key = self.podman_key(libpod.unwrap_or("4.0.0")).await;
        }
        version.clock_offset = offset;
        let (_, minor) = parse(&version.api).unwrap_or(OLDEST);
        self.api_minor.store(minor, Ordering::Relaxed);
        self.dialect.learn(version.kind);
        let nanos = i64::try_from(offset.as_nanos()).unwrap_or(0);
        self.clock_offset.store(nanos, Ordering::Relaxed);
        Ok(version)
    }

    /// Docker, or what tells only in its version that it is Podman.
    async fn docker(&self, clock: SignedDuration) -> Result<(EngineVersion, SignedDuration), ConnectFault> {
        let asked = Timestamp::now();
        let about = tokio::time::timeout(WHO, self.http.get::<Docker>("/info"));
        let (answer, about) = tokio::join!(self.http.send(Method::GET, "/version", None), about);
        let version = self.read(answer).await?;
        let about = about.ok().and_then(Result::ok).unwrap_or_default();
        let offset = match about.system_time {
            // The header's whole seconds are enough to see that the clocks differ, this says by how much.
            Some(shown) if !clock.is_zero() => shown.duration_since(middle(asked)),
            _ => clock,
        };
        let known = !about.id.is_empty() && version.kind == EngineKind::Docker;
        let key = known.then(|| format!("docker {} {} {}", about.id, about.host, about.root));
        Ok((EngineVersion { key, ..version }, offset))
    }

    async fn read(&self, answer: Result<Answer, Failure>) -> Result<EngineVersion, ConnectFault> {
        let answer = answer.map_err(|failure| self.fault(failure))?;
        let podman_header = answer.headers.contains_key(LIBPOD);
        let text = answer.body.text().await.map_err(|detail| self.odd(detail))?;
        let version: Version = serde_json::from_str(&text).unwrap_or_default();
        let Some(api) = parse(&version.api_version) else {
            return Err(
                self.odd("what came back is not Docker's API; see whether the address is the engine's".to_owned())
            );
        };
        let podman = podman_header || version.components.iter().any(|part| part.name.contains("Podman"));
        let kind = if podman { EngineKind::Podman } else { EngineKind::Docker };
        check(kind, &version, api)?;
        Ok(EngineVersion {
            version: version.version,
            api: version.api_version,
            kind,
            key: None,
            clock_offset: SignedDuration::ZERO,
        })
    }

    async fn podman_key(&self, libpod: &str) -> Option<String> {
        let ask = async {
            let path = format!("/v{}/libpod/info", encode(libpod, ""));
            let about: Podman = self.http.get(&path).await.map_err(drop)?;
            let Podman { host, store } = about;
            if host.hostname.is_empty() || store.graph_root.is_empty() {
                return Err(());
            }
            let (name, memory) = (host.hostname, host.memory);
            Ok(format!(
                "podman {name} {memory} {} {}",
                store.graph_root, store.run_root
            ))
        };
        let key = self.podman_key.get_or_try_init(|| ask);
        tokio::time::timeout(WHO, key).await.ok()?.ok().cloned()
    }

    fn fault(&self, failure: Failure) -> ConnectFault {
        match failure {
            Failure::Connect(fault) => fault,
            Failure::Status { code, message } if message.contains("client version") => ConnectFault::Version {
                detail: format!("{message} (HTTP {code})"),
            },
            Failure::Status { message, .. } if message.contains("HTTP request to an HTTPS server") => self.odd(
                "it speaks TLS only; set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or use a docker context".to_owned(),
            ),
            Failure::Status { code, message } => self.odd(format!("HTTP {code} {message}")),
            Failure::Broken(detail) => self.odd(detail),
        }
    }

    fn odd(&self, detail: String) -> ConnectFault {
        ConnectFault::Fault {
            endpoint: self.http.endpoint.to_string(),
            detail,
        }
    }
}

/// Podman, when the headers of its `/_ping` say so. Asked for its version, it first runs two programs.
fn podman(headers: &HeaderMap) -> Option<EngineVersion> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let libpod = text(LIBPOD)?;
    let api = text("api-version").filter(|api| parse(api).is_some())?;
    let server = text("server").and_then(|server| server.strip_prefix("Libpod/"));
    let version = server
        .and_then(|server| server.split_whitespace().next())
        .unwrap_or(libpod);
    Some(EngineVersion {
        version: version.to_owned(),
        api: api.to_owned(),
        kind: EngineKind::Podman,
        key: None,
        clock_offset: SignedDuration::ZERO,
    })
}

/// The engine's clock minus ours, by the `Date` of an answer; zero without one.
fn clock_offset(headers: &HeaderMap, asked: Timestamp) -> SignedDuration {
    let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let Some(shown) = date.and_then(|date| rfc2822::parse(date).ok()) else {
        return SignedDuration::ZERO;
    };
    // The header leaves out up to a second: in the middle of it the error is the least.
    let shown = shown.timestamp() + SignedDuration::from_millis(500);
    let offset = shown.duration_since(middle(asked));
    if offset.abs() <= SAME_CLOCK {
        SignedDuration::ZERO
    } else {
        offset
    }
}

/// The time halfway between then and now, when the other side most likely looked at its clock.
fn middle(asked: Timestamp) -> Timestamp {
    asked + Timestamp::now().duration_since(asked) / 2
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn check(kind: EngineKind, version: &Version, api: (u32, u32)) -> Result<(), ConnectFault> {
    let name = match kind {
        EngineKind::Podman => "Podman",
        EngineKind::Docker | EngineKind::Native | EngineKind::Fake => "Docker",
    };
    let who = format!("{name} {}", version.version);
    let (oldest, newest) = (
        format!("{}.{}", OLDEST.0, OLDEST.1),
        format!("{}.{}", NEWEST.0, NEWEST.1),
    );
    if api < OLDEST {
        let detail = format!(
            "{who} speaks API {} at most, and locald needs {oldest} or newer",
            version.api_version
        );
        return Err(ConnectFault::Version { detail });
    }
    match parse(&version.min_api_version) {
        Some(min) if min > NEWEST => {
            let detail = format!(
                "{who} speaks API {} or newer, and locald speaks {newest} at most",
                version.min_api_version
            );
            Err(ConnectFault::Version { detail })
        }
        _ => Ok(()),
    }
}
