//! The sign of life, and whether the API versions meet.

use std::sync::atomic::Ordering;

use hyper::Method;
use locald_engine::{ConnectFault, EngineKind, EngineVersion};

use crate::{
    DockerEngine,
    endpoint::{SILENCE, SILENCE_SECONDS},
    http::Failure,
    wire::Version,
};

/// The oldest API locald speaks: Docker 20.10, the oldest that distributions still ship.
const OLDEST: (u32, u32) = (1, 41);
/// The newest API locald was written for, as bollard's models have it.
const NEWEST: (u32, u32) = (1, 53);

impl DockerEngine {
    pub(crate) async fn ask(&self) -> Result<EngineVersion, ConnectFault> {
        match tokio::time::timeout(SILENCE, self.version()).await {
            Ok(answer) => answer,
            Err(_) => Err(ConnectFault::Silent {
                endpoint: self.http.endpoint.to_string(),
                seconds: SILENCE_SECONDS,
            }),
        }
    }

    async fn version(&self) -> Result<EngineVersion, ConnectFault> {
        let fault = |detail: String| ConnectFault::Fault {
            endpoint: self.http.endpoint.to_string(),
            detail,
        };
        let answer = match self.http.send(Method::GET, "/version", None).await {
            Ok(answer) => answer,
            Err(Failure::Connect(fault)) => return Err(fault),
            Err(Failure::Status { code, message }) if message.contains("client version") => {
                return Err(ConnectFault::Version {
                    detail: format!("{message} (HTTP {code})"),
                });
            }
            Err(Failure::Status { code, message }) => return Err(fault(format!("HTTP {code} {message}"))),
            Err(Failure::Broken(detail)) => return Err(fault(detail)),
        };
        let podman_header = answer.headers.contains_key("libpod-api-version");
        let text = answer.body.text().await.map_err(&fault)?;
        let version: Version = serde_json::from_str(&text).unwrap_or_default();
        let Some(api) = parse(&version.api_version) else {
            return Err(fault("what came back is not Docker's API".to_owned()));
        };
        let podman = podman_header || version.components.iter().any(|part| part.name.contains("Podman"));
        let kind = if podman { EngineKind::Podman } else { EngineKind::Docker };
        check(kind, &version, api)?;
        self.api_minor.store(api.1, Ordering::Relaxed);
        Ok(EngineVersion {
            version: version.version,
            api: version.api_version,
            kind,
        })
    }
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn check(kind: EngineKind, version: &Version, api: (u32, u32)) -> Result<(), ConnectFault> {
    let name = match kind {
        EngineKind::Podman => "Podman",
        EngineKind::Docker | EngineKind::Fake => "Docker",
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
