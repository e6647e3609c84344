//! `locald move`.

use locald_core::{snapshot::Desired, view::managed::TrashItem};
use locald_host::control::protocol::Request;
use serde_json::json;

use crate::{
    args::Wait,
    exit::Failure,
    output,
    session::{Session, chosen},
    target,
    wait::Goal,
};

pub(crate) async fn run(session: &mut Session, name: &str, engine: String, wait: Wait) -> Result<(), Failure> {
    let loaded = session.project.load(&mut session.client).await?;
    let before = target::settled(&mut session.client).await?;
    let id = target::service(&before, loaded.as_deref(), name)?;
    let old = before.services.iter().find(|service| service.id == id);
    if !session.json {
        output::note(&format!("{id}  moves to {engine}; data is carried along"));
    }
    let done = session
        .client
        .call(Request::Move {
            service: id.clone(),
            engine,
        })
        .await?;
    let trash = done.trash.unwrap_or_default();
    let wanted = old.is_some_and(|service| service.desired == Desired::Running);
    if !session.json {
        for kept in &trash {
            output::note(&left(&id.to_string(), kept));
        }
    }
    let status = if wanted && !wait.no_wait {
        let goal = Goal::Up { healthy: wait.wait };
        session
            .until(std::slice::from_ref(&id), goal, done.seq, wait.timeout)
            .await?
    } else {
        target::status(&mut session.client).await?
    };
    if session.json {
        output::line(&json!({ "services": chosen(&status, &[id]), "trash": trash }).to_string())?;
    }
    Ok(())
}

fn left(service: &str, kept: &TrashItem) -> String {
    format!(
        "What {service} had on {} is kept in the trash: `locald trash restore {}` goes back to it.",
        kept.engine, kept.id
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_was_left_behind_is_named() {
        let kept = TrashItem {
            id: "shop-db-20260101T100000".to_owned(),
            service: "shop/db".parse().unwrap(),
            origin: "PostgreSQL 17".to_owned(),
            engine: locald_core::EngineId::from("docker"),
            at: "2026-01-01T10:00:00Z".parse().unwrap(),
            why: "moved to native".to_owned(),
            size_bytes: None,
        };
        assert_eq!(
            left("shop/db", &kept),
            "What shop/db had on docker is kept in the trash: `locald trash restore shop-db-20260101T100000` goes back to it."
        );
    }
}
