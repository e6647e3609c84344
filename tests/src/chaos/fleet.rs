//! Which containers the run plays with, and what each of them does.

use std::fmt::Write as _;

use locald_engine_testbed::BUSYBOX;

/// The code with which a container's process ends when it crashes by itself, and at no other time.
pub const CRASH: i64 = 3;
/// The code of an end by SIGKILL, and of a process that does as if.
pub const KILLED: i64 = 137;

/// What a container's process makes of SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Ends with 0.
    Polite,
    /// Ends with 1.
    Rude,
    /// Goes on.
    Deaf,
    /// Ends with 0, and crashes by itself after so many seconds.
    Moody(u32),
}

impl Manner {
    /// `SIGUSR1` makes each of them crash, `SIGUSR2` end as if it had killed itself.
    fn script(self) -> String {
        let term = match self {
            Self::Polite | Self::Moody(_) => "exit 0",
            Self::Rude => "exit 1",
            Self::Deaf => "",
        };
        let traps = format!("trap '{term}' TERM; trap 'exit {CRASH}' USR1; trap 'exit {KILLED}' USR2; echo up;");
        match self {
            Self::Moody(seconds) => format!("{traps} sleep {seconds} & wait $!; echo no more; exit {CRASH}"),
            _ => format!("{traps} while :; do sleep 1000 & wait $!; done"),
        }
    }
}

/// Who made a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// locald, by the project file.
    Declared,
    /// Somebody, by the engine's own command.
    External {
        /// Options of `run`.
        options: Vec<String>,
    },
}

/// One container or service.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its row in locald.
    pub service: String,
    /// Its name on the engine.
    pub container: String,
    /// Who made it.
    pub origin: Origin,
    /// What it does.
    pub manner: Manner,
}

impl Member {
    /// The arguments that have the engine's own command make it.
    pub fn run_arguments(&self) -> Vec<String> {
        let Origin::External { options } = &self.origin else {
            return Vec::new();
        };
        let mut arguments: Vec<String> = ["run", "-d", "--name", &self.container].map(str::to_owned).into();
        arguments.extend(options.iter().cloned());
        arguments.extend([
            BUSYBOX.to_owned(),
            "sh".to_owned(),
            "-c".to_owned(),
            self.manner.script(),
        ]);
        arguments
    }
}

/// Ten containers of one engine: five that a project declares, five of somebody else's.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// The project's name, and how the names of others' containers begin.
    pub name: String,
    /// All of them.
    pub members: Vec<Member>,
    /// The text of the project's file.
    pub project_file: String,
}

const DECLARED: [(&str, Manner, &str); 5] = [
    (
        "web",
        Manner::Polite,
        "restart = \"always\"\nports = [\"8080\"]\nhealth_check = { type = \"command\", command = [\"true\"], interval = \"2s\" }",
    ),
    ("api", Manner::Rude, "restart = \"on-failure\""),
    ("job", Manner::Moody(7), "restart = \"on-failure:3\""),
    (
        "deaf",
        Manner::Deaf,
        "stop_grace = \"1s\"\nports = [\"8080\", \"9090\"]",
    ),
    ("worker", Manner::Polite, "depends_on = [\"web\"]"),
];

const EXTERNAL: [(&str, Manner, &[&str], bool); 5] = [
    ("plain", Manner::Polite, &["-p", "127.0.0.1::8080"], false),
    ("deaf", Manner::Deaf, &["--stop-timeout", "1"], false),
    ("one", Manner::Rude, &[], true),
    ("two", Manner::Polite, &["--restart", "always"], true),
    ("moody", Manner::Moody(9), &["--restart", "on-failure:2"], true),
];

impl Fleet {
    /// Those of the engine that locald calls `engine`.
    pub fn on(engine: &str) -> Self {
        let name = format!("{engine}s");
        let mut members = Vec::new();
        let mut project_file = format!("[project]\nname = \"{name}\"\n");
        for (service, manner, body) in DECLARED {
            let script = manner.script();
            let _ = write!(
                project_file,
                "\n[services.{service}]\nimage = \"{BUSYBOX}\"\nengine = \"{engine}\"\n\
                 command = [\"sh\", \"-c\", \"{script}\"]\n{body}\n"
            );
            members.push(Member {
                service: format!("{name}/{service}"),
                container: format!("locald-{name}-{service}"),
                origin: Origin::Declared,
                manner,
            });
        }
        for (service, manner, options, composed) in EXTERNAL {
            let container = format!("{name}-{service}");
            let group = format!("{name}-group");
            let mut options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
            if composed {
                for (label, value) in [
                    ("project", group.as_str()),
                    ("service", service),
                    ("container-number", "1"),
                    ("oneoff", "False"),
                ] {
                    options.extend(["--label".to_owned(), format!("com.docker.compose.{label}={value}")]);
                }
            }
            members.push(Member {
                service: if composed {
                    format!("{group}/{service}")
                } else {
                    format!("containers/{container}")
                },
                container,
                origin: Origin::External { options },
                manner,
            });
        }
        Self {
            name,
            members,
            project_file,
        }
    }
}
