//! `locald add` and `locald catalog`.

use locald_core::ServiceId;
use locald_host::{
    config::PROJECT_FILE,
    control::protocol::{Action, Request},
};
use serde_json::json;

use crate::{
    args::{Patience, Wish},
    exit::Failure,
    format, output,
    session::{Session, chosen},
    target,
    wait::Goal,
};

pub(crate) async fn catalog(session: &mut Session) -> Result<(), Failure> {
    let done = session.client.call(Request::Catalog).await?;
    let items = done.catalog.unwrap_or_default();
    let text = if session.json {
        json!({ "catalog": items }).to_string()
    } else {
        format::catalog(&items)
    };
    output::line(text.trim_end())?;
    Ok(())
}

/// How to go on once it is in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Then {
    pub start: bool,
    pub patience: Patience,
}

pub(crate) async fn run(session: &mut Session, wish: Wish, name: Option<String>, then: Then) -> Result<(), Failure> {
    let folder = session.project.folder.clone();
    let personal = folder == session.folders.config;
    let done = session
        .client
        .call(Request::Add {
            folder: (!personal).then(|| folder.clone().into()),
            entry: wish.entry,
            version: wish.version,
            name,
        })
        .await?;
    let id = done.service.ok_or_else(|| Failure::failed("the host added nothing"))?;
    session.project.exists = true;
    if !session.json {
        output::note(&format!("{id}  added to {}", folder.join(PROJECT_FILE).display()));
    }
    if then.start {
        let done = session.command(Action::Start, std::slice::from_ref(&id)).await?;
        if !then.patience.no_wait {
            let goal = Goal::Up { healthy: true };
            session
                .until(std::slice::from_ref(&id), goal, done.seq, then.patience.timeout)
                .await?;
        }
    }
    print(session, &id).await
}

async fn print(session: &mut Session, id: &ServiceId) -> Result<(), Failure> {
    let connection = session.connection(id).await?;
    let text = if session.json {
        let status = target::status(&mut session.client).await?;
        json!({"service": id, "url": connection.url, "services": chosen(&status, std::slice::from_ref(id))}).to_string()
    } else {
        connection.url
    };
    output::line(&text)?;
    Ok(())
}
