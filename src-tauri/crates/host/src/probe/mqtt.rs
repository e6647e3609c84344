//! Does an MQTT broker take the client?

use std::{net::SocketAddr, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use locald_core::spec::Credentials;
use rumqttc::{AsyncClient, ConnectReturnCode, ConnectionError, Event, MqttOptions, Outgoing};

use super::{Probe, connection_words, password, refused, speaks_otherwise};

pub(super) struct Mqtt<'a> {
    pub(super) address: SocketAddr,
    pub(super) credentials: &'a Credentials,
}

impl Mqtt<'_> {
    async fn answers(&self) -> Result<(), String> {
        // A broker hangs up on the client that had the same name before.
        let name = format!("locald-{:08x}", fastrand::u32(..));
        let host = match self.address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        let mut options = MqttOptions::new(name, host, self.address.port());
        if let Some(password) = password(self.credentials) {
            options.set_credentials(self.credentials.user.clone().unwrap_or_default(), password);
        }
        options.set_keep_alive(Duration::from_secs(60));
        let (client, mut events) = AsyncClient::new(options, 1);
        // How long a probe may take is the person's to say.
        events.network_options.set_connection_timeout(u64::from(u32::MAX));
        events.poll().await.map_err(|error| self.failed(&error))?;
        // It is in; a goodbye that doesn't get through changes nothing of that.
        let _ = client.disconnect().await;
        while !matches!(events.poll().await, Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)) {}
        Ok(())
    }

    fn failed(&self, error: &ConnectionError) -> String {
        match error {
            ConnectionError::ConnectionRefused(code) => match code {
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                    refused(self.credentials, "")
                }
                ConnectReturnCode::ServiceUnavailable => "the broker is not ready".to_owned(),
                ConnectReturnCode::RefusedProtocolVersion => "the broker does not speak MQTT 3.1.1".to_owned(),
                ConnectReturnCode::BadClientId | ConnectReturnCode::Success => {
                    "the broker refuses the client's name".to_owned()
                }
            },
            error => connection_words(self.address, error).unwrap_or_else(|| speaks_otherwise(self.address, "MQTT")),
        }
    }
}

impl Probe for Mqtt<'_> {
    fn ask(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answers().boxed()
    }
}
