//! `locald trash`.

use locald_core::view::managed::TrashItem;
use locald_host::control::protocol::Request;
use serde_json::json;

use crate::{
    args::{Confirm, Trash},
    ask::{self, Unattended},
    exit::{Code, Failure},
    format, output,
    session::Session,
};

pub(crate) async fn run(session: &mut Session, command: Option<Trash>) -> Result<(), Failure> {
    match command {
        None | Some(Trash::List) => list(session).await,
        Some(Trash::Restore { id }) => restore(session, id).await,
        Some(Trash::Empty { id, confirm }) => empty(session, id, confirm).await,
    }
}

async fn all(session: &mut Session) -> Result<Vec<TrashItem>, Failure> {
    Ok(session.client.call(Request::Trash).await?.trash.unwrap_or_default())
}

async fn list(session: &mut Session) -> Result<(), Failure> {
    let items = all(session).await?;
    if session.json {
        output::line(&json!({ "trash": items }).to_string())?;
    } else if items.is_empty() {
        output::note("The trash is empty.");
    } else {
        output::line(format::trash(&items).trim_end())?;
    }
    Ok(())
}

async fn restore(session: &mut Session, id: String) -> Result<(), Failure> {
    let done = session.client.call(Request::RestoreTrash { id }).await?;
    let trash = done.trash.unwrap_or_default();
    if session.json {
        output::line(&json!({ "service": done.service, "trash": trash }).to_string())?;
        return Ok(());
    }
    for kept in trash {
        output::note(&format!(
            "What was in its place is in the trash: `locald trash restore {}` goes back to it.",
            kept.id
        ));
    }
    if let Some(service) = done.service {
        output::note(&format!("{service}  is restored"));
        output::line(&service.to_string())?;
    }
    Ok(())
}

async fn empty(session: &mut Session, id: Option<String>, confirm: Confirm) -> Result<(), Failure> {
    let mut items = all(session).await?;
    if let Some(id) = id {
        items.retain(|item| item.id == id);
        if items.is_empty() {
            let message = format!("there is no `{id}` in the trash");
            return Err(
                Failure::new(Code::Failed, "no_such_thing", message).hint("`locald trash` lists what there is.")
            );
        }
    }
    if items.is_empty() {
        if session.json {
            output::line(&json!({ "removed": items }).to_string())?;
        } else {
            output::note("The trash is empty.");
        }
        return Ok(());
    }
    if !session.json {
        output::note(format::trash(&items).trim_end());
    }
    ask::confirm("Remove this for good?", confirm.yes, Unattended::NeedsYes)?;
    let mut removed = Vec::new();
    // Only what was shown: something may have come to it since.
    for item in items {
        let done = session.client.call(Request::EmptyTrash { id: Some(item.id) }).await?;
        for gone in done.trash.unwrap_or_default() {
            if !session.json {
                output::note(&format!("{}  removed for good", gone.id));
            }
            removed.push(gone);
        }
    }
    if session.json {
        output::line(&json!({ "removed": removed }).to_string())?;
    }
    Ok(())
}
