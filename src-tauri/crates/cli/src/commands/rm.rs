//! `locald rm`.

use std::path::Path;

use locald_core::{ServiceId, view::status::Status};
use locald_host::{config::PROJECT_FILE, control::protocol::Request};
use serde_json::json;

use crate::{
    args::Confirm,
    ask::{self, Unattended},
    exit::Failure,
    output,
    session::Session,
    target,
};

pub(crate) async fn run(session: &mut Session, names: &[String], confirm: Confirm) -> Result<(), Failure> {
    let loaded = session.load_if_good().await?;
    let status = target::status(&mut session.client).await?;
    let mut ids = target::services(&status, loaded.as_deref(), names)?;
    let mut seen = std::collections::BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    if !session.json {
        for id in &ids {
            output::note(&meant(id, &status));
        }
    }
    // What is removed can be restored.
    ask::confirm("Go on?", confirm.yes, Unattended::GoesOn)?;
    let mut removed = Vec::new();
    for id in ids {
        let done = session.client.call(Request::Remove { service: id.clone() }).await?;
        let trash = done.trash.unwrap_or_default();
        if session.json {
            removed.push(json!({ "service": id, "trash": trash }));
            continue;
        }
        if trash.is_empty() {
            output::note(&format!("{id}  removed; it had no data"));
        }
        for kept in trash {
            output::note(&format!(
                "{id}  removed; `locald trash restore {}` brings it back",
                kept.id
            ));
            output::line(&kept.id)?;
        }
    }
    if session.json {
        output::line(&json!({ "removed": removed }).to_string())?;
    }
    Ok(())
}

fn meant(id: &ServiceId, status: &Status) -> String {
    let project = status
        .projects
        .iter()
        .find(|project| project.name == id.project.as_str());
    let file = match project {
        Some(project) => Path::new(&project.folder).join(PROJECT_FILE).display().to_string(),
        None => format!("its {PROJECT_FILE}"),
    };
    format!("{id}: stops it and takes it out of {file}; its data goes to the trash.")
}
