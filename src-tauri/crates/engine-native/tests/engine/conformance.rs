//! The suite that every engine passes.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::{InstanceId, instance::RunState, spec::Signal};
use locald_engine::{
    Engine as _, StopRequest,
    conformance::{self, Bench, Foreign, Outside},
};
use locald_engine_native::NativeEngine;

use crate::support::{Machine, kill};

/// Somebody with `kill`, and another locald on the same folders.
struct Others {
    machine: Arc<Machine>,
    engine: NativeEngine,
}

impl Others {
    async fn end(&self, id: &InstanceId, grace: Duration) -> Result<(), String> {
        let signal = None;
        let stopped = self.engine.stop(id, StopRequest { signal, grace }).await;
        stopped.map_err(|error| error.to_string())
    }
}

fn never<T: Send + 'static>() -> BoxFuture<'static, Result<T, String>> {
    async { Err("nobody does that to a process".to_owned()) }.boxed()
}

impl Outside for Others {
    fn run(&self, _foreign: Foreign) -> BoxFuture<'_, Result<InstanceId, String>> {
        never()
    }

    fn stop<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>> {
        self.end(id, Duration::from_secs(10)).boxed()
    }

    fn kill<'a>(&'a self, id: &'a InstanceId, signal: Signal) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let service = id.as_str().split(':').nth(1).ok_or("another kind of id")?;
            kill(
                self.machine.pid(service, "main"),
                signal.name().trim_start_matches("SIG"),
            );
            Ok(())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>> {
        async {
            self.end(id, Duration::ZERO).await?;
            self.engine.remove(id).await.map_err(|error| error.to_string())
        }
        .boxed()
    }

    fn restart<'a>(&'a self, _id: &'a InstanceId) -> BoxFuture<'a, Result<(), String>> {
        never()
    }

    fn pause<'a>(&'a self, id: &'a InstanceId, _paused: bool) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let seen = self.engine.inspect(id).await.map_err(|error| error.to_string())?;
            match seen.map(|seen| seen.run) {
                Some(RunState::Running) => never::<()>().await,
                other => Err(format!("{other:?}")),
            }
        }
        .boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn native_passes_the_suite() {
    let machine = Arc::new(Machine::new());
    let others = Others {
        machine: Arc::clone(&machine),
        engine: machine.engine(),
    };
    let bench = Bench::native(Arc::new(machine.engine()), Arc::new(others));
    let report = conformance::run(Arc::new(bench)).await;
    report.write_column("native").unwrap();
    eprintln!("{report}");
    assert!(report.failures().is_empty(), "{:#?}", report.failures());
    let left: Vec<_> = walk(&machine.root().join("data/native"))
        .chain(walk(&machine.root().join("r")))
        .collect();
    assert!(left.iter().all(|path| path.ends_with("n")), "{left:?}");
}

fn walk(path: &std::path::Path) -> impl Iterator<Item = std::path::PathBuf> {
    std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
}
