//! Stopping and removing.

use std::{sync::atomic::Ordering, time::Duration};

use bollard::query_parameters::{RemoveContainerOptions, StopContainerOptions};
use locald_core::InstanceId;
use locald_engine::{EngineError, StopRequest};

use crate::{DockerEngine, SLOW_SECONDS, http::Failure};

/// The first API in which a stop takes a signal; before, the container has it from its creation.
const STOP_SIGNAL_MINOR: u32 = 42;

/// Rounded up, as engines take no fractions.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

impl DockerEngine {
    pub(crate) async fn stop_instance(&self, id: &InstanceId, request: StopRequest) -> Result<(), EngineError> {
        let seconds = whole_seconds(request.grace);
        let knows_signal = self.api_minor.load(Ordering::Relaxed) >= STOP_SIGNAL_MINOR;
        let options = StopContainerOptions {
            t: Some(i32::try_from(seconds).unwrap_or(i32::MAX)),
            signal: request
                .signal
                .filter(|_| knows_signal)
                .map(|signal| signal.0.to_string()),
        };
        let work = async {
            // The answer comes when the container has ended, so it may take as long as the grace period.
            let docker = self.bollard(seconds.saturating_add(SLOW_SECONDS)).await?;
            match docker.stop_container(id.as_str(), Some(options)).await {
                Ok(()) => Ok(()),
                Err(error) => Err(self.failure(error).await),
            }
        };
        match work.await {
            Ok(()) => Ok(()),
            Err(failure) if failure.status() == Some(404) => Ok(()),
            Err(failure) => Err(failure.into_error(|detail| EngineError::Stop {
                instance: id.to_string(),
                detail,
            })),
        }
    }

    pub(crate) async fn remove_instance(&self, id: &InstanceId) -> Result<(), EngineError> {
        self.keep_nameless(id.as_str()).await?;
        self.remove_container(id.as_str()).await.map_err(|failure| {
            failure.into_error(|detail| EngineError::Remove {
                instance: id.to_string(),
                detail,
            })
        })
    }

    /// Its volumes stay. One that is gone is success.
    pub(crate) async fn remove_container(&self, id: &str) -> Result<(), Failure> {
        let options = RemoveContainerOptions {
            v: false,
            force: false,
            link: false,
        };
        let work = async {
            let docker = self.bollard(SLOW_SECONDS).await?;
            match docker.remove_container(id, Some(options)).await {
                Ok(()) => Ok(()),
                Err(error) => Err(self.failure(error).await),
            }
        };
        match work.await {
            Ok(()) => Ok(()),
            Err(Failure::Status { code: 404, .. }) => Ok(()),
            Err(Failure::Status { code: 409, message }) if message.contains("already in progress") => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}
