//! Managed services: which server, which data, and what to run.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
};

use locald_core::{
    ProblemCode,
    instance::PublishedPort,
    spec::{Managed, NativeForm, Source},
};
use locald_engine::{EngineError, InstanceSpec, ProgressSink};
use sha2::{Digest as _, Sha256};

use super::{Shared, data, locked};
use crate::{
    Launch, Owner,
    servers::{self, Installation, Wanted},
};

/// The longest path of a socket (`sun_path`, less on macOS), and what a server's own may be called.
const SOCKET_LIMIT: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
const LONGEST_SOCKET: &str = "/.s.PGSQL.65535.lock";

/// What to run and with what around it.
pub(super) struct Plan {
    pub launch: Launch,
    pub data: Option<PathBuf>,
    pub bin: Option<PathBuf>,
    pub client_env: BTreeMap<String, String>,
}

/// Values of a recipe's placeholders.
pub(super) struct Places<'a> {
    pub data: Option<&'a Path>,
    pub run: &'a Path,
    pub bin: Option<&'a Path>,
}

impl Places<'_> {
    pub(super) fn fill(&self, text: &str) -> String {
        let mut text = text.replace("{run}", &self.run.to_string_lossy());
        for (name, path) in [("{data}", self.data), ("{bin}", self.bin)] {
            if let Some(path) = path {
                text = text.replace(name, &path.to_string_lossy());
            }
        }
        text
    }
}

impl Shared {
    /// Who managed services run as: `None` as this user, or the owner of the data folder where this is root.
    ///
    /// # Errors
    /// That is root too.
    pub(super) fn owner(&self) -> Result<Option<Owner>, String> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let folder = &self.options.data;
        let owner = folder.ancestors().find_map(|folder| fs::metadata(folder).ok());
        match owner.map(|meta| (meta.uid(), meta.gid())) {
            Some((uid, gid)) if uid != 0 => Ok(Some(Owner { uid, gid })),
            _ => Err(format!(
                "locald runs as root, and database servers are not run as root. Run locald as an ordinary user, or give {} \
                 to the user that servers should run as",
                folder.display()
            )),
        }
    }

    /// Makes a folder and those above it, where they are new: for this user alone, and the one it is given to.
    pub(super) fn private_folder(&self, path: &Path, user: Option<Owner>) -> io::Result<()> {
        let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
        for folder in missing.iter().rev() {
            match fs::DirBuilder::new().mode(0o700).create(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(io::Error::new(error.kind(), format!("{}: {error}", folder.display())));
                }
                Ok(()) | Err(_) => give(folder, user)?,
            }
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// The folder for sockets, pipes and files of a run. Whoever the process runs as has to get there.
    pub(super) fn run_folder(&self, place: &Path, user: Option<Owner>) -> Result<PathBuf, String> {
        let base = match user {
            Some(_) => self.root().join(".run"),
            None => self.options.runtime.join("n"),
        };
        let digest = Sha256::digest(place.as_os_str().as_encoded_bytes());
        let name: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let folder = base.join(name);
        if folder.as_os_str().len() + LONGEST_SOCKET.len() > SOCKET_LIMIT {
            return Err(format!(
                "the path of the folder for sockets is too long for this system: {}. Set XDG_RUNTIME_DIR to a shorter one",
                folder.display()
            ));
        }
        Ok(folder)
    }

    pub(super) async fn prepare(&self, spec: &InstanceSpec, progress: ProgressSink) -> Result<(), EngineError> {
        match &spec.service.source {
            Source::Container { .. } => Err(self.unfit(spec, "it is a container, and this engine runs processes")),
            Source::Process { .. } => Ok(()),
            Source::Managed(managed) => {
                let found = self.server(spec, managed, progress).await?;
                let key = (managed.entry.clone(), managed.version.clone());
                locked(&self.prepared).insert(key, found);
                Ok(())
            }
        }
    }

    pub(super) fn unfit(&self, spec: &InstanceSpec, detail: &str) -> EngineError {
        EngineError::Unfit {
            engine: self.identity.id.to_string(),
            service: spec.service.id.to_string(),
            detail: detail.to_owned(),
        }
    }

    fn form<'a>(&self, spec: &InstanceSpec, managed: &'a Managed) -> Result<&'a NativeForm, EngineError> {
        let form = managed.native.as_ref();
        form.ok_or_else(|| {
            self.unfit(
                spec,
                &format!("there is no way to run {} without a container", managed.title),
            )
        })
    }

    /// The owner, or the refusal to run as root.
    fn drop_to(&self, spec: &InstanceSpec) -> Result<Option<Owner>, EngineError> {
        self.owner().map_err(|detail| EngineError::Start {
            name: spec.instance_name(),
            code: ProblemCode::RootRefused,
            detail,
        })
    }

    async fn server(
        &self,
        spec: &InstanceSpec,
        managed: &Managed,
        progress: ProgressSink,
    ) -> Result<Installation, EngineError> {
        let form = self.form(spec, managed)?;
        let known = self.options.wanted.iter().find(|wanted| wanted.entry == managed.entry);
        let wanted = known.cloned().unwrap_or_else(|| Wanted {
            entry: managed.entry.clone(),
            programs: form.programs.clone(),
            folders: form.folders.clone(),
            version_parts: managed.version.split('.').count(),
            postgres: form.postgres,
        });
        let owner = self.drop_to(spec)?;
        if form.postgres {
            let postgres = self.postgres(owner);
            let name = spec.instance_name();
            return postgres
                .prepare(&name, managed, &self.sources(), &wanted, progress)
                .await;
        }
        let found = servers::find(&self.sources(), std::slice::from_ref(&wanted)).await;
        let versions: Vec<_> = found.iter().map(|found| found.version.clone()).collect();
        found
            .into_iter()
            .find(|found| found.version == managed.version)
            .ok_or_else(|| EngineError::Server {
                detail: missing(managed, &wanted, &versions),
            })
    }

    /// All that it takes to run a managed service; its data is made when there is none yet.
    pub(super) async fn plan(
        &self,
        spec: &InstanceSpec,
        managed: &Managed,
        run: &Path,
        ports: &[PublishedPort],
    ) -> Result<Plan, EngineError> {
        let form = self.form(spec, managed)?;
        let user = self.drop_to(spec)?;
        let key = (managed.entry.clone(), managed.version.clone());
        let prepared = locked(&self.prepared).get(&key).cloned();
        let server = match prepared.filter(|known| known.program.is_file()) {
            Some(known) => known,
            None => {
                let (progress, _unheard) = tokio::sync::mpsc::channel(1);
                self.server(spec, managed, progress).await?
            }
        };
        let name = spec.instance_name();
        let refused = |error: io::Error| data::start_error(&name, &error);
        let data = data::folder(self, spec, managed);
        if let Some(data) = &data {
            let above = data.parent().unwrap_or(data);
            self.private_folder(above, user).map_err(refused)?;
        }
        let places = Places {
            data: data.as_deref(),
            run,
            bin: Some(&server.bin),
        };
        write_files(form, &places, user).map_err(refused)?;
        let mut launch = match &data {
            Some(data) if form.postgres => {
                let postgres = self.postgres(user);
                data::refuse_other_format(
                    &name,
                    managed,
                    postgres.check_data(&spec.service.id.to_string(), data.clone()).await?,
                )?;
                if data::is_empty(data) {
                    postgres.make_data(&name, &server, managed, data.clone()).await?;
                }
                let port = ports.first().map_or(5432, |port| port.host_port);
                postgres
                    .launch(&name, &server, managed, data.clone(), run.to_owned(), port)
                    .await?
            }
            _ => {
                if let Some(data) = &data {
                    data::refuse_other_format(&name, managed, data::plain_facts(spec, managed, data)?)?;
                    if data::is_empty(data) {
                        self.init(&name, managed, form, &places, data, user).await?;
                    }
                }
                Launch {
                    program: server.program.clone(),
                    args: form.args.iter().map(|text| places.fill(text)).collect(),
                    env: BTreeMap::new(),
                    workdir: data.clone().unwrap_or_else(|| run.to_owned()),
                    user,
                }
            }
        };
        launch.env.extend(fill_all(&form.env, &places));
        launch.env.extend(spec.service.env.clone());
        Ok(Plan {
            launch,
            bin: Some(server.bin.clone()),
            client_env: fill_all(&form.client_env, &places),
            data,
        })
    }

    /// Makes a data folder: whole, or not at all.
    async fn init(
        &self,
        name: &str,
        managed: &Managed,
        form: &NativeForm,
        places: &Places<'_>,
        data: &Path,
        user: Option<Owner>,
    ) -> Result<(), EngineError> {
        let refused = |error: io::Error| data::start_error(name, &error);
        let new = data.with_file_name(format!(".{}.new", managed.generation));
        crate::record::gone_is_fine(fs::remove_dir_all(&new)).map_err(refused)?;
        self.private_folder(&new, user).map_err(refused)?;
        let places = Places {
            data: Some(&new),
            ..*places
        };
        if let Some(init) = &form.init {
            let words: Vec<String> = init.iter().map(|word| places.fill(word)).collect();
            let env = fill_all(&form.env, &places);
            run_once(&words, &env, places.bin, &new, user)
                .await
                .map_err(|detail| EngineError::Start {
                    name: name.to_owned(),
                    code: ProblemCode::StartFailed,
                    detail: format!("its data could not be made: {detail}"),
                })?;
        }
        data::write_mark(data, managed).map_err(refused)?;
        // An empty folder in its place is what it may replace.
        fs::rename(&new, data).map_err(refused)
    }
}

fn missing(managed: &Managed, wanted: &Wanted, versions: &[String]) -> String {
    let programs: Vec<_> = wanted.programs.iter().map(|program| format!("`{program}`")).collect();
    let title = &managed.title;
    if versions.is_empty() {
        return format!(
            "{title} is not installed on this machine: there is no {}. Install it with your system's packages, or start a \
             container engine",
            programs.join(" or ")
        );
    }
    format!(
        "{title} {} is not installed on this machine; there is {}. Set `version`, or start a container engine",
        managed.version,
        versions.join(", ")
    )
}

fn fill_all(texts: &BTreeMap<String, String>, places: &Places<'_>) -> BTreeMap<String, String> {
    texts
        .iter()
        .map(|(name, text)| (name.clone(), places.fill(text)))
        .collect()
}

fn write_files(form: &NativeForm, places: &Places<'_>, user: Option<Owner>) -> io::Result<()> {
    for (name, text) in &form.files {
        let path = places.run.join(name);
        crate::record::gone_is_fine(fs::remove_file(&path))?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(places.fill(text).as_bytes())?;
        give(&path, user)?;
    }
    Ok(())
}

pub(super) fn give(path: &Path, user: Option<Owner>) -> io::Result<()> {
    match user {
        Some(user) => std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid)),
        None => Ok(()),
    }
}

/// Runs a command to its end; the last lines of what it said when it failed.
async fn run_once(
    words: &[String],
    env: &BTreeMap<String, String>,
    bin: Option<&Path>,
    workdir: &Path,
    user: Option<Owner>,
) -> Result<(), String> {
    let Some((program, args)) = words.split_first() else {
        return Ok(());
    };
    let launch = Launch {
        program: PathBuf::from(program),
        args: args.to_vec(),
        env: env.clone(),
        workdir: workdir.to_owned(),
        user,
    };
    let mut command = super::inside::command(&launch, program, args, bin).map_err(|error| error.to_string())?;
    let told = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("`{program}`: {error}"))?;
    if told.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    Err(format!("`{program}` ended with {}: {}", told.status, lines.join(" / ")))
}
