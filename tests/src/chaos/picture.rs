//! locald's picture beside an engine's own list.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fleet::{Fleet, Origin};

/// What an engine's list says of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// `running`, `paused`, `exited` and so on.
    pub state: String,
    /// Its ports here, while it is alive.
    pub ports: BTreeSet<(u64, u64)>,
}

impl Listed {
    fn is_alive(&self) -> bool {
        self.state == "running" || self.state == "paused"
    }
}

/// An engine's list by the containers' names.
pub fn listed(list: &[Value]) -> BTreeMap<String, Listed> {
    let one = |entry: &Value| {
        let name = entry["Names"][0].as_str()?.trim_start_matches('/').to_owned();
        let ports = entry["Ports"].as_array().into_iter().flatten();
        let mut listed = Listed {
            id: entry["Id"].as_str()?.to_owned(),
            state: entry["State"].as_str().unwrap_or_default().to_lowercase(),
            ports: ports
                .filter_map(|port| Some((port["PublicPort"].as_u64()?, port["PrivatePort"].as_u64()?)))
                .filter(|(public, _)| *public != 0)
                .collect(),
        };
        if !listed.is_alive() {
            listed.ports.clear();
        }
        Some((name, listed))
    };
    list.iter().filter_map(one).collect()
}

/// Where the picture differs from the list, one line each.
pub fn differences(engine: &str, fleet: &Fleet, list: &BTreeMap<String, Listed>, status: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let online = |entry: &Value| entry["id"] == engine && entry["state"] == "online";
    if !status["engines"].as_array().is_some_and(|all| all.iter().any(online)) {
        found.push(format!("{engine} is not online in locald: {}", status["engines"]));
        return found;
    }
    let rows: BTreeMap<&str, &Value> = status["services"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| Some((row["id"].as_str()?, row)))
        .collect();
    let mut meant = BTreeSet::new();
    for member in &fleet.members {
        meant.insert(member.service.as_str());
        let row = rows.get(member.service.as_str());
        let container = list.get(&member.container);
        let differs = match (row, container) {
            (None, None) => member.origin == Origin::Declared,
            (None, Some(_)) => true,
            (Some(row), None) => member.origin != Origin::Declared || !is_down(row),
            (Some(row), Some(container)) => !agrees(row, container),
        };
        if differs {
            let row = row.map_or_else(|| "no row".to_owned(), |row| short(row));
            let container = container.map_or_else(|| "no container".to_owned(), |it| format!("{it:?}"));
            found.push(format!(
                "{}: locald has {row}; {engine} has {container}",
                member.service
            ));
        }
    }
    // Nothing else is on this engine.
    for (id, row) in rows {
        if row["engine"] == engine && !meant.contains(id) {
            found.push(format!("{id}: a row of nothing: {}", short(row)));
        }
    }
    found
}

fn short(row: &Value) -> String {
    let mut shown = serde_json::Map::new();
    for key in [
        "state",
        "state_text",
        "desired",
        "instance",
        "ports",
        "exit",
        "engine",
        "error",
        "since",
    ] {
        shown.insert(key.to_owned(), row[key].clone());
    }
    Value::from(shown).to_string()
}

fn is_down(row: &Value) -> bool {
    // One that waits for another, which somebody paused or ended, may wait for ever.
    ["stopped", "exited", "failed", "backing_off", "waiting"]
        .iter()
        .any(|state| row["state"] == **state)
}

fn agrees(row: &Value, container: &Listed) -> bool {
    // Podman says so for ever of a container that it was about to stop when it was killed itself.
    if container.state == "stopping" {
        return ["unknown", "running", "stopping"]
            .iter()
            .any(|state| row["state"] == **state);
    }
    if !container.is_alive() {
        return is_down(row);
    }
    let ports: BTreeSet<(u64, u64)> = row["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|port| Some((port["host_port"].as_u64()?, port["port"].as_u64()?)))
        .collect();
    let paused = container.state == "paused";
    row["state"] == "running"
        && (row["state_text"] == "paused") == paused
        && row["instance"] == container.id.as_str()
        && ports == container.ports
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn container(state: &str) -> Listed {
        let list = [json!({"Id": "c1", "Names": ["/dockers-plain"], "State": state,
            "Ports": [{"PrivatePort": 8080, "PublicPort": 4000, "Type": "tcp"}]})];
        listed(&list)["dockers-plain"].clone()
    }

    fn row(state: &str, text: &str, host_port: u64) -> Value {
        json!({"id": "containers/dockers-plain", "engine": "docker", "state": state, "state_text": text,
            "instance": "c1", "ports": [{"host_port": host_port, "port": 8080}]})
    }

    #[test]
    fn alive_paused_and_ports_are_compared() {
        assert!(agrees(&row("running", "running", 4000), &container("running")));
        assert!(!agrees(&row("running", "running", 4001), &container("running")));
        assert!(!agrees(&row("running", "running", 4000), &container("paused")));
        assert!(agrees(&row("running", "paused", 4000), &container("paused")));
        assert!(!agrees(&row("running", "running", 4000), &container("exited")));
        assert!(agrees(&row("exited", "exited", 4000), &container("exited")));
        assert!(!agrees(&row("unknown", "unknown", 4000), &container("exited")));
    }

    #[test]
    fn rows_of_nothing_and_containers_without_a_row_are_found() {
        let fleet = Fleet::on("docker");
        let list = BTreeMap::from([("dockers-plain".to_owned(), container("running"))]);
        let engines = json!([{"id": "docker", "state": "online"}]);
        let status = json!({"engines": engines, "services": []});
        let found = differences("docker", &fleet, &list, &status);
        assert!(
            found
                .iter()
                .any(|line| line.contains("containers/dockers-plain: locald has no row")),
            "{found:?}"
        );
        let stale = json!({"engines": engines, "services": [row("running", "running", 4000), {"id": "x/y", "engine": "docker"}]});
        let found = differences("docker", &fleet, &BTreeMap::new(), &stale);
        assert!(found.iter().any(|line| line.contains("no container")), "{found:?}");
        assert!(
            found.iter().any(|line| line.contains("x/y: a row of nothing")),
            "{found:?}"
        );
    }
}
