//! `up`, `down`, `start`, `stop`, `restart`.

use locald_host::control::protocol::Action;
use serde_json::json;

use crate::{
    args::Wait,
    exit::Failure,
    output,
    session::{Session, chosen, no_project},
    target,
    wait::Goal,
};

pub(crate) async fn run(session: &mut Session, action: Action, names: &[String], wait: Wait) -> Result<(), Failure> {
    let loaded = match session.project.load(&mut session.client).await {
        Ok(loaded) => loaded,
        // What runs can be stopped whatever its file says by now.
        Err(failure) if action == Action::Stop && !names.is_empty() => {
            output::note(failure.report.as_deref().unwrap_or(&failure.message).trim_end());
            None
        }
        Err(failure) => return Err(failure),
    };
    let status = target::status(&mut session.client).await?;
    let ids = if names.is_empty() {
        let Some(name) = &loaded else {
            return Err(no_project());
        };
        status
            .services
            .iter()
            .filter(|service| service.project == *name && !service.external)
            .map(|service| service.id.clone())
            .collect()
    } else {
        target::services(&status, loaded.as_deref(), names)?
    };
    if ids.is_empty() && !session.json {
        output::note("This project declares no services.");
    }
    let done = session.command(action, &ids).await?;
    let status = if wait.no_wait || ids.is_empty() {
        target::status(&mut session.client).await?
    } else {
        let goal = if action == Action::Stop {
            Goal::Down
        } else {
            Goal::Up { healthy: wait.wait }
        };
        session.until(&ids, goal, done.seq, wait.timeout).await?
    };
    if session.json {
        output::line(&json!({ "services": chosen(&status, &ids) }).to_string())?;
    }
    Ok(())
}
