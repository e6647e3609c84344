//! New data of PostgreSQL: who can connect to it, where it comes from, how long it takes.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::print_stderr, reason = "measured times are part of the result")]

mod support;

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    time::{Duration, Instant},
};

use locald_core::{ProblemCode, spec::Secret};
use support::{
    PASSWORD, Place, credentials, debian, managed, no_progress, npm_package, picture, sources, wanted, with_npm,
};

#[tokio::test]
async fn new_data_answers_to_its_password_and_to_nothing_else() {
    if debian().is_none() {
        return;
    }
    let place = Place::new();
    let managed = managed("15");
    let installation = place.made(&managed).await;
    assert_eq!((installation.version.as_str(), installation.clients), ("15", true));
    let meta = place.data().metadata().unwrap();
    assert_eq!(meta.permissions().mode() & 0o7777, 0o700);
    assert_eq!(meta.uid(), place.options.owner.map_or(meta.uid(), |owner| owner.uid));

    let mut server = place.start(&installation, &managed).await;
    let client = server.client(&managed).await;
    let row = client
        .query_one(
            "SELECT current_user::text, current_database()::text, current_setting('server_encoding'), \
             current_setting('data_checksums'), current_setting('fsync')",
            &[],
        )
        .await
        .unwrap();
    let texts: Vec<String> = (0..5).map(|column| row.get(column)).collect();
    assert_eq!(texts, ["postgres", "shop", "UTF8", "on", "on"]);
    for (user, password) in [("postgres", "wrong"), ("postgres", ""), ("nobody", PASSWORD)] {
        assert!(server.login(user, password, "shop").await.is_err(), "{user} got in");
    }
    let databases: i64 = client
        .query_one("SELECT count(*) FROM pg_database WHERE datname LIKE 'locald%'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(databases, 0);
    // Not by the Unix socket either.
    let socket = format!(
        "host={} port={} user=postgres dbname=shop",
        place.run().display(),
        server.port
    );
    assert!(tokio_postgres::connect(&socket, tokio_postgres::NoTls).await.is_err());
    // The password is stored as what it can be checked with.
    let stored: String = client
        .query_one("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'", &[])
        .await
        .unwrap()
        .get(0);
    assert!(stored.starts_with("SCRAM-SHA-256$") && !stored.contains("horse"));
    server.stop();
}

#[tokio::test]
async fn names_of_every_kind_work_and_the_superuser_of_the_template_stays_out() {
    if debian().is_none() {
        return;
    }
    let place = Place::new();
    let mut managed = managed("15");
    for (user, database) in [
        ("Zoë \"x\"; DROP", "my-shop '1'"),
        ("shop", "postgres"),
        ("shop", "shop"),
    ] {
        managed.credentials = credentials(user, database);
        let installation = place.made(&managed).await;
        let mut server = place.start(&installation, &managed).await;
        let client = server.client(&managed).await;
        let row = client
            .query_one(
                "SELECT rolsuper, pg_get_userbyid(datdba)::text FROM pg_authid, pg_database \
                 WHERE rolname = current_user AND datname = current_database()",
                &[],
            )
            .await
            .unwrap();
        assert!(row.get::<_, bool>(0));
        if database != "postgres" {
            assert_eq!(row.get::<_, String>(1), user);
        }
        assert!(server.login("postgres", PASSWORD, database).await.is_err());
        assert!(server.login("postgres", "", database).await.is_err());
        server.stop();
        std::fs::remove_dir_all(place.data()).unwrap();
    }
    // What can't be a name, or no password at all, makes nothing.
    let installation = place.prepared(&managed).await;
    managed.credentials = credentials("a\nb", "shop");
    let refused = place
        .postgres
        .make_data("x", &installation, &managed, place.data())
        .await;
    assert_eq!(refused.unwrap_err().code(), ProblemCode::StartFailed);
    managed.credentials = credentials("pg_x", "shop");
    let refused = place
        .postgres
        .make_data("x", &installation, &managed, place.data())
        .await;
    assert!(refused.unwrap_err().to_string().contains("\"pg_x\" is reserved"));
    managed.credentials = credentials("shop", "shop");
    managed.credentials.password = Some(Secret::new(""));
    let refused = place
        .postgres
        .make_data("x", &installation, &managed, place.data())
        .await;
    assert!(refused.unwrap_err().to_string().contains("password"));
    assert!(!place.data().exists());
    let left = place.data().parent().unwrap().read_dir().unwrap().flatten();
    let left: Vec<_> = left
        .filter(|entry| entry.file_name().to_string_lossy().contains("tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_is_in_the_folder_already_is_left_alone() {
    if debian().is_none() {
        return;
    }
    let place = Place::new();
    let managed = managed("15");
    let installation = place.prepared(&managed).await;
    std::fs::create_dir_all(place.data()).unwrap();
    std::fs::write(place.data().join("notes.txt"), "mine").unwrap();
    let before = picture(&place.data());
    let refused = place
        .postgres
        .make_data("x", &installation, &managed, place.data())
        .await;
    assert_eq!(refused.unwrap_err().code(), ProblemCode::DataForeign);
    assert_eq!(picture(&place.data()), before);
    // An empty folder is as good as none.
    std::fs::remove_file(place.data().join("notes.txt")).unwrap();
    place
        .postgres
        .make_data("x", &installation, &managed, place.data())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_template_is_made_once_and_a_spare_is_used_up() {
    if debian().is_none() {
        return;
    }
    let place = Place::with_spares();
    let managed = managed("15");
    let (first, second) = tokio::join!(place.prepared(&managed), place.prepared(&managed));
    assert_eq!(first, second);
    let templates = || {
        place
            .options
            .cache
            .join("templates/postgres")
            .read_dir()
            .unwrap()
            .count()
    };
    assert_eq!(templates(), 1);
    // What a kill left half made, and what was made for an earlier server, are cleared away with the next.
    let folder = place.options.spares.clone().unwrap();
    std::fs::create_dir_all(folder.join(".spare-left")).unwrap();
    std::fs::create_dir_all(folder.join("15.1-0123456789ab.1")).unwrap();
    std::fs::create_dir_all(folder.join("16.1-0123456789ab.1")).unwrap();
    let spares = || {
        let names = folder.read_dir().unwrap().flatten().map(|entry| entry.file_name());
        let finished = names.map(|name| name.to_string_lossy().into_owned());
        let mut names: Vec<String> = finished.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    };
    place.postgres.make_spares(&first).await.unwrap();
    let ready = spares();
    let of: Vec<&str> = ready.iter().map(|name| &name[..3]).collect();
    assert_eq!(of, ["15.", "15.", "16."]);
    assert!(!folder.join(".spare-left").exists());
    place.postgres.make_spares(&first).await.unwrap();
    assert_eq!(spares(), ready);
    place
        .postgres
        .make_data("x", &first, &managed, place.data())
        .await
        .unwrap();
    assert_eq!(spares().len(), 2);
    assert_eq!(templates(), 1);
    // Soon it is made up for.
    let deadline = Instant::now() + Duration::from_secs(60);
    while spares() != ready || folder.read_dir().unwrap().count() != 3 {
        assert!(Instant::now() < deadline, "{:?}", spares());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn majors_are_never_mixed() {
    let (Some(_), Some(modules)) = (debian(), npm_package()) else {
        return;
    };
    let place = Place::new();
    let sources = with_npm(&place, &modules);
    let (old, new) = (managed("15"), managed("17"));
    let fifteen = place.prepared(&old).await;
    let before = picture(&modules);
    let seventeen = place
        .postgres
        .prepare("x", &new, &sources, &wanted(), no_progress())
        .await
        .unwrap();
    assert_eq!(
        (seventeen.version.as_str(), seventeen.full_version.as_str()),
        ("17", "17.10")
    );
    assert!(!seventeen.clients, "npm's has no psql");
    // What belongs to npm is not written to: its links are made in a copy.
    assert_eq!(picture(&modules), before);
    assert!(seventeen.bin.starts_with(&place.options.cache));

    place
        .postgres
        .make_data("x", &seventeen, &new, place.data())
        .await
        .unwrap();
    let facts = place
        .postgres
        .check_data("shop/db", place.data())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(facts.format.as_deref(), Some("17"));
    let before = picture(&place.data());
    // Server, data and service have to be of one major, all three.
    for (installation, managed) in [(&fifteen, &old), (&fifteen, &new), (&seventeen, &old)] {
        let refused = place.launch(installation, managed, 1).await;
        assert_eq!(refused.unwrap_err().code(), ProblemCode::VersionDiffers);
    }
    assert_eq!(picture(&place.data()), before);
    let mut server = place.start(&seventeen, &new).await;
    let version: String = server
        .client(&new)
        .await
        .query_one("SELECT current_setting('server_version')", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(version, "17.10");
    server.stop();

    // Not here, and not to be fetched.
    let missing = place
        .postgres
        .prepare("x", &managed("14"), &sources, &wanted(), no_progress())
        .await;
    assert_eq!(
        missing.unwrap_err().to_string(),
        "PostgreSQL 14 is not installed on this machine"
    );
}

#[tokio::test]
async fn times() {
    if debian().is_none() {
        return;
    }
    let place = Place::with_spares();
    let managed = managed("15");
    let begun = Instant::now();
    let installation = place.prepared(&managed).await;
    let template = begun.elapsed();
    let begun = Instant::now();
    place
        .postgres
        .prepare("x", &managed, &sources(), &wanted(), no_progress())
        .await
        .unwrap();
    eprintln!("prepare: first {template:?}, then {:?}", begun.elapsed());
    let mut rounds: Vec<(&str, Vec<Duration>)> = vec![
        ("copied", vec![]),
        ("spare", vec![]),
        ("start new", vec![]),
        ("again", vec![]),
    ];
    for round in 0..6 {
        let spare = round >= 2;
        if spare {
            place.postgres.make_spares(&installation).await.unwrap();
        }
        let begun = Instant::now();
        place
            .postgres
            .make_data("x", &installation, &managed, place.data())
            .await
            .unwrap();
        rounds[usize::from(spare)].1.push(begun.elapsed());
        for again in [2, 3] {
            let begun = Instant::now();
            let mut server = place.start(&installation, &managed).await;
            server.client(&managed).await.simple_query("SELECT 1").await.unwrap();
            rounds[again].1.push(begun.elapsed());
            server.stop();
        }
        std::fs::remove_dir_all(place.data()).unwrap();
    }
    for (what, times) in &rounds {
        eprintln!("{what}: {times:?}");
    }
    // Far above what is measured on a quiet machine (a tenth of it), so that a busy one fails nobody.
    assert!(rounds[1].1.iter().min().unwrap() < &Duration::from_millis(1500));
}
