//! What Docker's own tools were told: variables, contexts, certificates.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::{
    Access,
    discover::{Found, Sources, tls_files},
};

/// The context that means none: variables and usual places decide.
const NONE: &str = "default";

/// An address from a setting or a variable, with the certificates that the variables name.
pub(crate) fn with_variables(sources: &Sources<'_>, endpoint: String, source: &str) -> Found {
    let mut found = Found::named(endpoint, source);
    let verify = sources.variable("DOCKER_TLS_VERIFY").is_some();
    if verify || sources.variable("DOCKER_TLS").is_some() {
        let folder = sources.variable("DOCKER_CERT_PATH").map(PathBuf::from);
        let folder = folder.or_else(|| config_folder(sources)).unwrap_or_default();
        let mut files = tls_files(&folder, verify);
        if verify && sources.variable("DOCKER_CERT_PATH").is_some() {
            // Named, it has to be there: a missing file must not turn into trust in others.
            files.ca = Some(folder.join("ca.pem"));
        }
        found.access.tls = Some(files);
    }
    found
}

/// The context in use, if there is one and it isn't the default.
pub(crate) fn context(sources: &Sources<'_>) -> Option<Found> {
    let folder = config_folder(sources)?;
    let variable = sources.variable("DOCKER_CONTEXT");
    let by_variable = variable.is_some();
    let name = match variable.map(Ok).or_else(|| current(&folder).transpose())? {
        Ok(name) => name,
        Err(detail) => {
            // Whether it names a context can't be seen; Docker's own tools go on without one too.
            tracing::debug!(%detail, "docker's configuration could not be read");
            return None;
        }
    };
    if name == NONE {
        return None;
    }
    let source = if by_variable {
        format!("from DOCKER_CONTEXT, the docker context `{name}`")
    } else {
        format!("from the docker context `{name}`")
    };
    Some(match read(&folder, &name) {
        Ok((endpoint, access)) => Found {
            name: Some(name),
            access,
            ..Found::named(endpoint, &source)
        },
        Err(detail) => Found {
            access: Access {
                obstacle: Some(detail),
                ..Access::default()
            },
            name: Some(name.clone()),
            ..Found::named(format!("docker context {name}"), &source)
        },
    })
}

fn config_folder(sources: &Sources<'_>) -> Option<PathBuf> {
    let variable = sources.variable("DOCKER_CONFIG").map(PathBuf::from);
    variable.or_else(|| sources.in_home(".docker"))
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext", default)]
    current_context: String,
}

fn current(folder: &Path) -> Result<Option<String>, String> {
    let path = folder.join("config.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(None);
    };
    let config: Config = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Some(config.current_context).filter(|name| !name.is_empty()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
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
    #[serde(rename = "SkipTLSVerify", default)]
    skip_tls_verify: bool,
}

/// Folders are named by a hash of the context's name.
fn read(folder: &Path, name: &str) -> Result<(String, Access), String> {
    let hash = Sha256::digest(name.as_bytes())
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let path = folder.join("contexts/meta").join(&hash).join("meta.json");
    let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!(
            "docker has no context `{name}`; choose another one (`docker context ls`, `docker context use`), or unset DOCKER_CONTEXT"
        ),
        _ => format!("the docker context `{name}` can't be read: {}: {error}", path.display()),
    })?;
    let meta: Meta = serde_json::from_str(&text)
        .map_err(|error| format!("the docker context `{name}` can't be read: {}: {error}", path.display()))?;
    let docker = meta.endpoints.docker;
    if docker.host.is_empty() {
        return Err(format!(
            "the docker context `{name}` has no address in {}",
            path.display()
        ));
    }
    let files = folder.join("contexts/tls").join(&hash).join("docker");
    let tls = (files.is_dir() || docker.skip_tls_verify).then(|| tls_files(&files, !docker.skip_tls_verify));
    Ok((
        docker.host,
        Access {
            tls,
            ..Access::default()
        },
    ))
}
