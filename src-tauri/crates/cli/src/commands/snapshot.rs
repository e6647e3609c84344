//! `locald snapshot`.

use locald_core::ServiceId;
use locald_host::control::protocol::Request;
use serde_json::json;

use crate::{
    args::{Confirm, Snapshots},
    ask::{self, Unattended},
    exit::Failure,
    format, output,
    session::Session,
};

pub(crate) async fn run(session: &mut Session, command: Snapshots) -> Result<(), Failure> {
    match command {
        Snapshots::Save { service, name } => save(session, &service, name).await,
        Snapshots::List { service } => list(session, &service).await,
        Snapshots::Restore { service, name, confirm } => restore(session, &service, name, confirm).await,
        Snapshots::Rm { service, name, confirm } => remove(session, &service, name, confirm).await,
    }
}

async fn save(session: &mut Session, service: &str, name: Option<String>) -> Result<(), Failure> {
    let (_, id) = session.find(service).await?;
    if !session.json {
        output::note(&format!("{id}  is saved; it is stopped meanwhile"));
    }
    let done = session.client.call(Request::SaveSnapshot { service: id, name }).await?;
    let saved = done.snapshots.unwrap_or_default();
    if session.json {
        output::line(&json!({ "snapshots": saved }).to_string())?;
        return Ok(());
    }
    for one in saved {
        output::note(&format!("{}  saved, {}", one.service, format::size(one.size_bytes)));
        output::line(&one.name)?;
    }
    Ok(())
}

async fn list(session: &mut Session, service: &str) -> Result<(), Failure> {
    let (_, id) = session.find(service).await?;
    let done = session.client.call(Request::Snapshots { service: id.clone() }).await?;
    let saved = done.snapshots.unwrap_or_default();
    if session.json {
        output::line(&json!({ "snapshots": saved }).to_string())?;
    } else if saved.is_empty() {
        output::note(&format!(
            "{id} has no saved states; `locald snapshot save {id}` saves one."
        ));
    } else {
        output::line(format::snapshots(&saved).trim_end())?;
    }
    Ok(())
}

async fn restore(session: &mut Session, service: &str, name: String, confirm: Confirm) -> Result<(), Failure> {
    let (_, id) = session.find(service).await?;
    must_exist(session, &id, &name).await?;
    if !session.json {
        output::note(&format!(
            "{id}: its data is replaced by what was saved as `{name}`, and goes to the trash."
        ));
    }
    ask::confirm("Go on?", confirm.yes, Unattended::NeedsYes)?;
    let request = Request::RestoreSnapshot {
        service: id.clone(),
        name: name.clone(),
    };
    let trash = session.client.call(request).await?.trash.unwrap_or_default();
    if session.json {
        output::line(&json!({ "service": id, "restored": name, "trash": trash }).to_string())?;
        return Ok(());
    }
    output::note(&format!("{id}  has what was saved as `{name}`"));
    for kept in trash {
        output::note(&format!(
            "What it had before is in the trash: `locald trash restore {}` goes back to it.",
            kept.id
        ));
    }
    Ok(())
}

async fn remove(session: &mut Session, service: &str, name: String, confirm: Confirm) -> Result<(), Failure> {
    let (_, id) = session.find(service).await?;
    must_exist(session, &id, &name).await?;
    let question = format!("Remove what was saved of {id} as `{name}` for good?");
    ask::confirm(&question, confirm.yes, Unattended::NeedsYes)?;
    let request = Request::RemoveSnapshot {
        service: id.clone(),
        name: name.clone(),
    };
    session.client.call(request).await?;
    if session.json {
        output::line(&json!({ "service": id, "removed": name }).to_string())?;
    } else {
        output::note(&format!("{id}  `{name}` is removed"));
    }
    Ok(())
}

/// Nobody is asked about what isn't there.
async fn must_exist(session: &mut Session, id: &ServiceId, name: &str) -> Result<(), Failure> {
    let done = session.client.call(Request::Snapshots { service: id.clone() }).await?;
    let saved = done.snapshots.unwrap_or_default();
    if saved.iter().any(|saved| saved.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = saved.iter().map(|saved| saved.name.as_str()).collect();
    let failure = Failure::new(
        crate::exit::Code::Failed,
        "no_such_thing",
        format!("nothing of {id} was saved as `{name}`"),
    );
    Err(match names.as_slice() {
        [] => failure.hint(format!("`locald snapshot save {id}` saves its state.")),
        names => failure.hint(format!("Saved: {}.", names.join(", "))),
    })
}
