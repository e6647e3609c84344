//! Does a command inside the instance exit with 0?

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::{InstanceId, view::notification::plain};
use locald_engine::SharedEngine;

use super::Probe;

pub(super) struct Command<'a> {
    pub(super) engine: Option<&'a SharedEngine>,
    pub(super) instance: &'a InstanceId,
    /// Program and arguments.
    pub(super) command: &'a [String],
}

impl Command<'_> {
    async fn exits_with_zero(&self) -> Result<(), String> {
        let engine = self.engine.ok_or("its engine is not known")?;
        let outcome = engine
            .exec(self.instance, self.command)
            .await
            .map_err(|error| error.to_string())?;
        if outcome.code == 0 {
            return Ok(());
        }
        let said = outcome.output.lines().map(plain).rfind(|line| !line.trim().is_empty());
        let colon = said.map(|said| format!(": {}", said.trim())).unwrap_or_default();
        Err(format!("the health check exited with code {}{colon}", outcome.code))
    }
}

impl Probe for Command<'_> {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.exits_with_zero().boxed()
    }
}
