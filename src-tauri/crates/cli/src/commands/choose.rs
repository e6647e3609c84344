//! `locald choose`.

use locald_core::{Choice, ServiceId, view::status::ServiceStatus};
use locald_host::control::protocol::Request;
use serde_json::json;

use crate::{
    args::{CHOICES, Patience, choice_word},
    exit::{Code, Failure},
    format, output,
    session::{Session, chosen},
    target,
    wait::Goal,
};

pub(crate) async fn run(
    session: &mut Session,
    name: &str,
    choice: Option<Choice>,
    patience: Patience,
) -> Result<(), Failure> {
    let (status, id) = session.find(name).await?;
    let service = status.services.iter().find(|service| service.id == id);
    let Some(choice) = choice else {
        return list(&id, service, session.json);
    };
    let possible = service.and_then(|service| service.error.as_ref());
    let possible = possible.map(|error| error.choices.as_slice()).unwrap_or_default();
    if !possible.contains(&choice) {
        let word = choice_word(choice);
        let message = format!("`{word}` is no way out of what {id} shows");
        let failure = Failure::new(Code::Failed, "not_possible", message);
        return Err(if possible.is_empty() {
            failure.hint(format!(
                "It shows no fault that has one. `locald start {id}` tells whether something is in its way."
            ))
        } else {
            failure.hint(format::ways_out(&id.to_string(), possible))
        });
    }
    if !session.json {
        output::note(&format!("{id}  {}", sentence(choice)));
    }
    let request = Request::Choose {
        service: id.clone(),
        choice,
    };
    let done = session.client.call(request).await?;
    let ids = [id];
    let status = if patience.no_wait {
        target::status(&mut session.client).await?
    } else {
        let goal = Goal::Up { healthy: true };
        session.until(&ids, goal, done.seq, patience.timeout).await?
    };
    if session.json {
        output::line(&json!({ "services": chosen(&status, &ids) }).to_string())?;
    }
    Ok(())
}

fn list(id: &ServiceId, service: Option<&ServiceStatus>, json: bool) -> Result<(), Failure> {
    let error = service.and_then(|service| service.error.as_ref());
    let choices = error.map(|error| error.choices.as_slice()).unwrap_or_default();
    if json {
        let choices: Vec<_> = choices
            .iter()
            .map(|&choice| json!({ "choice": choice, "text": sentence(choice) }))
            .collect();
        output::line(&json!({ "service": id, "error": error, "choices": choices }).to_string())?;
        return Ok(());
    }
    if let Some(error) = error {
        output::note(&format!("{id}: {}", error.message));
    }
    if choices.is_empty() {
        output::note(&format!("There is nothing to choose for {id}."));
        return Ok(());
    }
    output::line(format::choices(choices.iter().map(|&choice| (choice, sentence(choice)))).trim_end())?;
    Ok(())
}

fn sentence(choice: Choice) -> &'static str {
    let word = choice_word(choice);
    let known = CHOICES.iter().find(|(known, _)| *known == word);
    known.map(|(_, sentence)| *sentence).unwrap_or_default()
}
