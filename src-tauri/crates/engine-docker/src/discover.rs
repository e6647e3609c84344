//! Finding the Docker engine that the person's other tools use.

use std::path::{Path, PathBuf};

use locald_core::EngineId;
use locald_engine::{EngineIdentity, EngineKind};
use serde::Deserialize;

/// Where Docker listens when nobody says otherwise.
const USUAL: &str = "/var/run/docker.sock";

/// The Docker engine to use: locald's own setting, `DOCKER_HOST`, the docker context, then the first usual socket
/// that exists. Looks at files and connects to nothing.
pub fn discover(setting: Option<&str>, env: &dyn Fn(&str) -> Option<String>, home: Option<&Path>) -> EngineIdentity {
    let variable = |name: &str| env(name).filter(|value| !value.trim().is_empty());
    let found = |endpoint: &str, source: &str| EngineIdentity {
        id: EngineId::from("docker"),
        kind: EngineKind::Docker,
        endpoint: endpoint.to_owned(),
        source: source.to_owned(),
    };
    if let Some(endpoint) = setting {
        return found(endpoint, "from locald's settings");
    }
    if let Some(endpoint) = variable("DOCKER_HOST") {
        return found(&endpoint, "from DOCKER_HOST");
    }
    let config = variable("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| home.map(|home| home.join(".docker")));
    if let Some(config) = config {
        let from_variable = variable("DOCKER_CONTEXT");
        let source = if from_variable.is_some() {
            "from DOCKER_CONTEXT"
        } else {
            "from the current docker context"
        };
        let context = from_variable.or_else(|| current_context(&config));
        if let Some(endpoint) = context.and_then(|name| context_endpoint(&config, &name)) {
            return found(&endpoint, source);
        }
    }
    let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    match usual_sockets(runtime.as_deref(), home)
        .into_iter()
        .find(|path| path.exists())
    {
        Some(path) => found(&format!("unix://{}", path.display()), "found at a usual place"),
        None => found(&format!("unix://{USUAL}"), "the usual place"),
    }
}

fn usual_sockets(runtime: Option<&Path>, home: Option<&Path>) -> Vec<PathBuf> {
    let mut sockets = vec![PathBuf::from(USUAL)];
    sockets.extend(runtime.map(|runtime| runtime.join("docker.sock")));
    let in_home = [
        ".docker/run/docker.sock",
        ".docker/desktop/docker.sock",
        ".colima/default/docker.sock",
        ".rd/docker.sock",
        ".orbstack/run/docker.sock",
        ".lima/docker/sock/docker.sock",
    ];
    sockets.extend(
        home.into_iter()
            .flat_map(|home| in_home.map(|socket| home.join(socket))),
    );
    sockets
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

fn current_context(config: &Path) -> Option<String> {
    let text = std::fs::read_to_string(config.join("config.json")).ok()?;
    serde_json::from_str::<Config>(&text).ok()?.current_context
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    name: String,
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Docker,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    host: String,
}

/// Folders are named by a hash of the context's name; the name itself stands in the file.
fn context_endpoint(config: &Path, name: &str) -> Option<String> {
    let folders = std::fs::read_dir(config.join("contexts/meta")).ok()?;
    folders.filter_map(Result::ok).find_map(|folder| {
        let text = std::fs::read_to_string(folder.path().join("meta.json")).ok()?;
        let context: Context = serde_json::from_str(&text).ok()?;
        (context.name == name)
            .then_some(context.endpoints.docker.host)
            .filter(|host| !host.is_empty())
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_order_is_setting_then_variable_then_context_then_usual_places() {
        let home = tempfile::tempdir().unwrap();
        let meta = home.path().join(".docker/contexts/meta/abc");
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(
            home.path().join(".docker/config.json"),
            r#"{"currentContext":"far","auths":{}}"#,
        )
        .unwrap();
        let text = r#"{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://far:2375"}}}"#;
        std::fs::write(meta.join("meta.json"), text).unwrap();
        let host = |name: &str| (name == "DOCKER_HOST").then(|| "unix:///h.sock".to_owned());
        let none = |_: &str| None;
        let default = |name: &str| (name == "DOCKER_CONTEXT").then(|| "default".to_owned());
        let home = Some(home.path());
        assert_eq!(discover(Some("unix:///s.sock"), &host, home).endpoint, "unix:///s.sock");
        assert_eq!(discover(None, &host, home).endpoint, "unix:///h.sock");
        assert_eq!(discover(None, &none, home).endpoint, "tcp://far:2375");
        assert_eq!(discover(None, &none, home).source, "from the current docker context");
        assert!(discover(None, &default, home).endpoint.starts_with("unix://"));
    }
}
