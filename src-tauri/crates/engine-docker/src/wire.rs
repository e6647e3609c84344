//! The parts of Docker's JSON that locald reads, decoded so that no odd value spoils its neighbours: a field that
//! isn't what it should be counts as absent. bollard's own models fail the whole document instead.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// A field of the wrong type is as good as none.
pub(crate) fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// A list without those of its entries that can't be read.
pub(crate) fn lenient_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(entries) => entries
            .into_iter()
            .filter_map(|entry| serde_json::from_value(entry).ok())
            .collect(),
        _ => Vec::new(),
    })
}

/// A map without those of its values that can't be read.
pub(crate) fn lenient_map<'de, D, T>(deserializer: D) -> Result<HashMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::Object(entries) => entries
            .into_iter()
            .filter_map(|(key, value)| Some((key, serde_json::from_value(value).ok()?)))
            .collect(),
        _ => HashMap::new(),
    })
}

/// An entry of `GET /containers/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Listed {
    #[serde(deserialize_with = "lenient")]
    pub(crate) id: String,
    #[serde(deserialize_with = "lenient_list")]
    pub(crate) names: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) image: String,
    #[serde(deserialize_with = "lenient_map")]
    pub(crate) labels: HashMap<String, String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) state: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) status: String,
    #[serde(deserialize_with = "lenient_list")]
    pub(crate) ports: Vec<ListedPort>,
}

/// A port in a list's entry.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListedPort {
    #[serde(rename = "IP", deserialize_with = "lenient")]
    pub(crate) ip: Option<String>,
    #[serde(rename = "PrivatePort", deserialize_with = "lenient")]
    pub(crate) private: Option<u16>,
    #[serde(rename = "PublicPort", deserialize_with = "lenient")]
    pub(crate) public: Option<u16>,
    #[serde(rename = "Type", deserialize_with = "lenient")]
    pub(crate) protocol: String,
}

/// `GET /containers/ID/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Inspected {
    #[serde(deserialize_with = "lenient")]
    pub(crate) id: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) name: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) state: InspectedState,
    #[serde(deserialize_with = "lenient")]
    pub(crate) config: InspectedConfig,
    /// The id of its image.
    #[serde(deserialize_with = "lenient")]
    pub(crate) image: String,
    #[serde(deserialize_with = "lenient_list")]
    pub(crate) mounts: Vec<InspectedMount>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) host_config: InspectedHostConfig,
    #[serde(deserialize_with = "lenient")]
    pub(crate) network_settings: InspectedNetwork,
}

/// A mount of an inspection.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedMount {
    #[serde(rename = "Type", deserialize_with = "lenient")]
    pub(crate) kind: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) name: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) destination: String,
}

/// `GET /images/NAME/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedImage {
    #[serde(deserialize_with = "lenient")]
    pub(crate) config: InspectedImageConfig,
}

/// `Config` of an image.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedImageConfig {
    /// The paths that the image wants volumes at.
    #[serde(deserialize_with = "lenient")]
    pub(crate) volumes: BTreeMap<String, Value>,
}

/// `GET /volumes/NAME`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedVolume {
    #[serde(deserialize_with = "lenient")]
    pub(crate) name: String,
    #[serde(deserialize_with = "lenient_map")]
    pub(crate) labels: HashMap<String, String>,
}

/// `State` of an inspection.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedState {
    #[serde(deserialize_with = "lenient")]
    pub(crate) status: String,
    #[serde(rename = "OOMKilled", deserialize_with = "lenient")]
    pub(crate) oom_killed: bool,
    #[serde(deserialize_with = "lenient")]
    pub(crate) exit_code: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) started_at: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) finished_at: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) health: InspectedHealth,
}

/// `State.Health` of an inspection.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedHealth {
    #[serde(deserialize_with = "lenient")]
    pub(crate) status: String,
    /// Of each run that is remembered; only that there is one matters.
    #[serde(deserialize_with = "lenient_list")]
    pub(crate) log: Vec<Value>,
}

/// `Config` of an inspection.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedConfig {
    #[serde(deserialize_with = "lenient")]
    pub(crate) tty: bool,
    #[serde(deserialize_with = "lenient")]
    pub(crate) user: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) image: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) healthcheck: InspectedHealthcheck,
    #[serde(deserialize_with = "lenient_map")]
    pub(crate) labels: HashMap<String, String>,
}

/// `Config.Healthcheck` of an inspection. Times are nanoseconds; 0 leaves it to the engine.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedHealthcheck {
    #[serde(deserialize_with = "lenient_list")]
    pub(crate) test: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) interval: u64,
    #[serde(deserialize_with = "lenient")]
    pub(crate) timeout: u64,
    #[serde(deserialize_with = "lenient")]
    pub(crate) start_period: u64,
    #[serde(deserialize_with = "lenient")]
    pub(crate) retries: u32,
}

/// `HostConfig` of an inspection.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedHostConfig {
    #[serde(deserialize_with = "lenient")]
    pub(crate) log_config: InspectedLogConfig,
    #[serde(deserialize_with = "lenient")]
    pub(crate) restart_policy: InspectedRestartPolicy,
}

/// `HostConfig.RestartPolicy` of an inspection.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedRestartPolicy {
    #[serde(deserialize_with = "lenient")]
    pub(crate) name: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) maximum_retry_count: u32,
}

/// `HostConfig.LogConfig` of an inspection.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedLogConfig {
    #[serde(rename = "Type", deserialize_with = "lenient")]
    pub(crate) driver: String,
}

/// `NetworkSettings` of an inspection.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct InspectedNetwork {
    #[serde(deserialize_with = "lenient_map")]
    pub(crate) ports: HashMap<String, Vec<Binding>>,
}

/// A published port of an inspection.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Binding {
    #[serde(deserialize_with = "lenient")]
    pub(crate) host_ip: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) host_port: String,
}

/// `GET /version`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Version {
    #[serde(deserialize_with = "lenient")]
    pub(crate) version: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) api_version: String,
    #[serde(rename = "MinAPIVersion", deserialize_with = "lenient")]
    pub(crate) min_api_version: String,
    #[serde(deserialize_with = "lenient_list")]
    pub(crate) components: Vec<Component>,
}

/// A part of an engine.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Component {
    #[serde(deserialize_with = "lenient")]
    pub(crate) name: String,
}

/// A time of an engine's; the zero time of Go (year 1) means never.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    if text.starts_with("0001-") {
        return None;
    }
    text.parse().ok()
}
