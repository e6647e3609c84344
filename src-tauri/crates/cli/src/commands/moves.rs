//! `locald move`.

use locald_core::snapshot::Desired;
use locald_host::{
    config::Folders,
    control::{client::Client, protocol::Request},
};

use crate::{
    args::Wait,
    exit::Failure,
    output,
    target::{self, Project},
    wait::{self, Goal},
};

pub(crate) async fn run(
    folders: &Folders,
    client: &mut Client,
    project: &Project,
    name: &str,
    engine: String,
    wait: Wait,
    json: bool,
) -> Result<(), Failure> {
    let loaded = project.load(client).await?;
    let before = target::settled(client).await?;
    let id = target::service(&before, loaded.as_deref(), name)?;
    let old = before.services.iter().find(|service| service.id == id);
    let done = client
        .call(Request::Move {
            service: id.clone(),
            engine,
        })
        .await?;
    if let Some(engine) = old.and_then(|service| service.engine.as_ref().filter(|_| service.instance.is_some())) {
        output::note(&format!(
            "What {id} has on {engine} stays there: its container, volumes and data."
        ));
    }
    let wanted = old.is_some_and(|service| service.desired == Desired::Running);
    if wanted && !wait.no_wait {
        let goal = Goal::Up { healthy: wait.wait };
        wait::until(
            folders,
            client,
            &[id],
            goal,
            done.seq.unwrap_or_default(),
            wait.timeout,
            json,
        )
        .await?;
    }
    Ok(())
}
