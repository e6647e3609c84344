//! PostgreSQL through the engine: its data outlives every death around it.

#[path = "../support/mod.rs"]
mod postgres;

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    sync::Arc,
    time::{Duration, Instant},
};

use locald_core::{
    ServiceSpec,
    spec::{PortMapping, Protocol, Source},
};
use locald_engine::{Engine as _, InstanceSpec};
use locald_engine_native::NativeEngine;
use tokio_postgres::{Client, NoTls};

use crate::support::{Machine, alive, engine_in, kill, lines, stop};

fn machine() -> (Machine, NativeEngine, InstanceSpec) {
    let machine = Machine::new();
    fs::create_dir_all(machine.root().join("data")).unwrap();
    if let Some(owner) = postgres::owner() {
        std::os::unix::fs::chown(machine.root().join("data"), Some(owner.uid), Some(owner.gid)).unwrap();
        fs::set_permissions(machine.root(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let engine = engine_in(machine.root(), vec![postgres::wanted()]);
    let mut service = ServiceSpec::container("shop/db".parse().unwrap(), "none");
    service.source = Source::Managed(Box::new(postgres::managed("15")));
    service.ports = vec![PortMapping {
        host: Some(locald_engine_testbed::free_port()),
        port: 5432,
        protocol: Protocol::Tcp,
    }];
    let spec = InstanceSpec {
        service: Arc::new(service),
    };
    (machine, engine, spec)
}

async fn login(spec: &InstanceSpec) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(spec.service.ports[0].host.unwrap())
        .user("postgres")
        .password(postgres::PASSWORD)
        .dbname("shop")
        .connect(NoTls)
        .await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn client(engine: &NativeEngine, spec: &InstanceSpec) -> Client {
    let deadline = Instant::now() + crate::support::SOON;
    loop {
        match login(spec).await {
            Ok(client) => return client,
            Err(error) => {
                let list = engine.list().await.unwrap();
                let said = lines(engine, &list[0].id).await;
                assert!(Instant::now() < deadline, "{error}: {said:#?}");
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn numbers(client: &Client) -> Vec<i32> {
    let rows = client.query("SELECT n FROM kept ORDER BY n", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_committed_row_is_lost_whoever_is_killed() {
    if postgres::debian().is_none() {
        return;
    }
    let (machine, engine, spec) = machine();
    let id = engine.start(&spec, None).await.unwrap().id;
    let mut connected = client(&engine, &spec).await;
    let data = machine.instance_folder("shop/db").join("1");
    assert_ne!(data.metadata().unwrap().uid(), 0);
    let born = fs::read(data.join("PG_VERSION")).unwrap();
    connected.batch_execute("CREATE TABLE kept (n int)").await.unwrap();
    let mut committed = Vec::new();
    for round in 0..9 {
        let (main, monitor) = (machine.pid("shop/db", "main"), machine.pid("shop/db", "monitor"));
        for _ in 0..5 {
            let next = i32::try_from(committed.len()).unwrap();
            connected
                .execute("INSERT INTO kept VALUES ($1)", &[&next])
                .await
                .unwrap();
            committed.push(next);
        }
        match round % 3 {
            0 => kill(monitor, "KILL"),
            1 => kill(main, "KILL"),
            _ => {
                kill(monitor, "KILL");
                for pid in alive(&id) {
                    kill(pid, "KILL");
                }
            }
        }
        // What was killed is noticed, or ran on.
        let before = Instant::now();
        while round % 3 != 0 && machine.state("shop/db")["over"] != true {
            assert!(before.elapsed() < crate::support::SOON);
            engine.list().await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let again = engine.start(&spec, None).await.unwrap();
        assert_eq!((&again.id, again.reused), (&id, true));
        connected = client(&engine, &spec).await;
        assert_eq!(numbers(&connected).await, committed, "round {round}");
    }
    assert_eq!(fs::read(data.join("PG_VERSION")).unwrap(), born);
    // With a client that stays.
    let begun = Instant::now();
    stop(&engine, &id, Duration::from_secs(10)).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "it waited for its clients");
    assert_eq!(alive(&id), [0; 0]);
    assert!(
        lines(&engine, &id)
            .await
            .iter()
            .any(|line| line.contains("database system is shut down"))
    );
    drop(connected);

    let archive = machine.root().join("kept.tar");
    engine.export_data(&spec, &archive).await.unwrap();
    let next = InstanceSpec {
        service: Arc::new(spec.service.with_generation(2)),
    };
    engine.import_data(&next, &archive).await.unwrap();
    let facts = engine.data(&next).await.unwrap().unwrap();
    assert_eq!(facts.format.as_deref(), Some("15"));
    let id = engine.start(&next, None).await.unwrap().id;
    assert_eq!(numbers(&client(&engine, &next).await).await, committed);
    stop(&engine, &id, Duration::from_secs(10)).await;
}
