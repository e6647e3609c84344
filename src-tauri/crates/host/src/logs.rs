//! A service's log as one stream, across restarts of its instance.

use futures_util::StreamExt as _;
use jiff::Timestamp;
use locald_core::{InstanceId, ServiceId, snapshot::StateKind};
use locald_engine::{EngineError, LogLine, LogOptions, SharedEngine};
use tokio::sync::mpsc;

use crate::supervisor::SupervisorHandle;

/// Lines on their way to a viewer. A full channel holds the engine's stream back instead of growing.
const LINES_UNDER_WAY: usize = 4096;

/// One thing in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogItem {
    /// A line.
    Line(LogLine),
    /// The instance was started again, or another one took its place.
    Restarted,
    /// There is no more, and why, in a sentence. Always the last item.
    Ended(String),
}

/// Opens a log; the reading ends when the receiver is dropped.
pub(crate) fn open(
    supervisor: SupervisorHandle,
    service: ServiceId,
    tail: Option<u32>,
    follow: bool,
) -> mpsc::Receiver<LogItem> {
    let (lines, receiver) = mpsc::channel(LINES_UNDER_WAY);
    tokio::spawn(async move {
        let reader = Reader {
            supervisor,
            service,
            lines: lines.clone(),
        };
        tokio::select! {
            ended = reader.read(tail, follow) => { let _ = lines.send(LogItem::Ended(ended)).await; }
            () = lines.closed() => {}
        }
    });
    receiver
}

struct Reader {
    supervisor: SupervisorHandle,
    service: ServiceId,
    lines: mpsc::Sender<LogItem>,
}

/// How far a log was read: up to this time, with so many lines of that very time.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    at: Option<Timestamp>,
    lines: usize,
}

impl Place {
    fn pass(&mut self, at: Timestamp) {
        if Some(at) > self.at {
            *self = Self { at: Some(at), lines: 1 };
        } else if Some(at) == self.at {
            self.lines += 1;
        }
    }
}

/// Which run of which instance is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    instance: InstanceId,
    since: Option<Timestamp>,
}

impl Reader {
    async fn read(&self, mut tail: Option<u32>, follow: bool) -> String {
        let mut place = Place::default();
        let mut instance_read: Option<InstanceId> = None;
        loop {
            let (engine, instance) = match self.instance(follow, instance_read.as_ref()).await {
                Ok(found) => found,
                Err(ended) => return ended,
            };
            if let Some(before) = &instance_read {
                if self.lines.send(LogItem::Restarted).await.is_err() {
                    return String::new();
                }
                // The same container keeps its log over a restart, and what came before is shown already.
                if *before == instance {
                    tail = None;
                } else {
                    (tail, place) = (None, Place::default());
                }
            }
            let since = place.at;
            instance_read = Some(instance.clone());
            match self
                .pump(&engine, &instance, LogOptions { tail, follow, since }, &mut place)
                .await
            {
                Ok(()) if follow => {}
                Ok(()) => return "end of the log".into(),
                Err(EngineError::LogsNotKept { driver }) => {
                    return EngineError::LogsNotKept { driver }.to_string();
                }
                // The engine is away, or the instance is: wait for either.
                Err(error) if follow => tracing::debug!(service = %self.service, %error, "log"),
                Err(error) => return error.to_string(),
            }
            if self.lines.is_closed() {
                return String::new();
            }
            self.until_not_running(&instance).await;
        }
    }

    /// Waits for an instance to read. After one was read to its end, waits until it runs again.
    async fn instance(&self, follow: bool, read: Option<&InstanceId>) -> Result<(SharedEngine, InstanceId), String> {
        let mut snapshots = self.supervisor.snapshots();
        loop {
            {
                let snapshot = snapshots.borrow_and_update().clone();
                let Some(service) = snapshot.service(&self.service) else {
                    return Err(format!("{} is not known any more", self.service));
                };
                let engine = service.engine.as_ref().and_then(|id| self.supervisor.engines().get(id));
                let runs = matches!(service.state, StateKind::Running | StateKind::Stopping);
                if let (Some(engine), Some(instance)) = (engine, &service.instance)
                    && (read.is_none() || (runs && read == Some(instance)) || read.is_some_and(|old| old != instance))
                    && service.state != StateKind::Unknown
                {
                    return Ok((engine, instance.clone()));
                }
                if !follow {
                    return Err(format!("{} has not run yet, so it has no log", self.service));
                }
            }
            if snapshots.changed().await.is_err() {
                return Err("locald ends".into());
            }
        }
    }

    /// A stream that ends says that the run is over; the picture says so a moment later.
    async fn until_not_running(&self, instance: &InstanceId) {
        let mut snapshots = self.supervisor.snapshots();
        let run = |snapshot: &locald_core::Snapshot| {
            let service = snapshot.service(&self.service)?;
            let current = service.instance.clone()?;
            (service.state == StateKind::Running).then_some(Run {
                instance: current,
                since: service.since,
            })
        };
        let first = run(&snapshots.borrow_and_update().clone());
        let Some(first) = first.filter(|first| first.instance == *instance) else {
            return;
        };
        loop {
            if snapshots.changed().await.is_err() {
                return;
            }
            if run(&snapshots.borrow_and_update().clone()).as_ref() != Some(&first) {
                return;
            }
        }
    }

    async fn pump(
        &self,
        engine: &SharedEngine,
        instance: &InstanceId,
        options: LogOptions,
        place: &mut Place,
    ) -> Result<(), EngineError> {
        let mut lines = engine.logs(instance, options).await?;
        // What is shown already comes again: `since` is inclusive, and Podman's stamps are whole seconds.
        let (again, mut to_skip) = (place.at, place.lines);
        let mut unstamped = false;
        while let Some(line) = lines.next().await {
            let line = line?;
            match line.at {
                Some(at) if Some(at) == again && to_skip > 0 => {
                    to_skip -= 1;
                    continue;
                }
                Some(at) => place.pass(at),
                None => unstamped = true,
            }
            if self.lines.send(LogItem::Line(line)).await.is_err() {
                return Ok(());
            }
        }
        if unstamped {
            // Podman gives no stamps for a terminal's output; what comes later than now wasn't read.
            *place = Place {
                at: Some(Timestamp::now()),
                lines: 0,
            };
        }
        Ok(())
    }
}
