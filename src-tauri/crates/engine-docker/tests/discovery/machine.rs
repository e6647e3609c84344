//! A machine made of folders, in which an ordinary user looks for engines.

use std::{
    collections::HashMap,
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
};

use locald_engine_docker::{Candidate, Sources, discover};

pub struct Machine {
    root: tempfile::TempDir,
    variables: HashMap<String, String>,
    pub setting: Option<String>,
    pub user: u32,
}

impl Machine {
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("ldm").tempdir().unwrap();
        for folder in ["home", "run", "var"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        symlink(root.path().join("run"), root.path().join("var/run")).unwrap();
        Self {
            root,
            variables: HashMap::new(),
            setting: None,
            user: 1000,
        }
    }

    pub fn found(&self) -> Vec<Candidate> {
        let env = |name: &str| self.variables.get(name).cloned();
        discover(&Sources {
            setting: self.setting.clone(),
            env: &env,
            home: Some(&self.home()),
            root: self.root.path(),
            user: self.user,
        })
    }

    pub fn set(&mut self, variable: &str, value: &str) {
        self.variables.insert(variable.to_owned(), value.to_owned());
    }

    pub fn unset(&mut self, variable: &str) {
        self.variables.remove(variable);
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// A folder of the whole machine as it is seen from outside the test.
    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    pub fn unix(&self, path: &str) -> String {
        format!("unix://{}/{}", self.root.path().display(), path.trim_start_matches('/'))
    }

    pub fn socket(&self, path: &str) {
        bind(&self.path(path));
    }

    pub fn home_socket(&self, path: &str) -> PathBuf {
        let path = self.home().join(path);
        bind(&path);
        path
    }

    pub fn link(&self, to: &str, from: &str) {
        symlink(self.path(to), self.path(from)).unwrap();
    }

    pub fn hard_link(&self, to: &str, from: &str) {
        fs::hard_link(self.path(to), self.path(from)).unwrap();
    }

    pub fn file(&self, path: &str, text: &str) {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn context(&self, name: &str, meta: &str) {
        self.file(&format!(".docker/contexts/meta/{}/meta.json", hash(name)), meta);
    }

    pub fn tls(&self, name: &str, files: &[&str]) -> PathBuf {
        let folder = format!(".docker/contexts/tls/{}/docker", hash(name));
        for file in files {
            self.file(&format!("{folder}/{file}"), "");
        }
        self.home().join(folder)
    }
}

/// As Docker names a context's folders.
fn hash(name: &str) -> &'static str {
    match name {
        "far" => "512eea46ceb3921dff4363c7069d89d4964d1d9fccaa0f411851a7aa60a5c868",
        "work" => "00e13ed7af55b27622f1d6eab5bec0147e68efe28dc2b12461117afa1a5ed40e",
        "gone" => "283bb9deef02e6843abfb538efa1eca70801bd8a701c3f98191e123496339247",
        _ => unreachable!("{name}"),
    }
}

fn bind(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    drop(UnixListener::bind(path).unwrap());
}
