//! Where locald keeps what.

use std::{ffi::OsString, io, path::PathBuf};

/// locald's own folders. None is made before something is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// Settings and the personal project.
    pub config: PathBuf,
    /// What must not be lost.
    pub data: PathBuf,
    /// History and logs.
    pub state: PathBuf,
    /// What can be fetched again.
    pub cache: PathBuf,
    /// Control socket and lock.
    pub runtime: PathBuf,
}

/// Why the folders can't be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldersError {
    /// No home folder, and no folder set for this purpose.
    #[error("neither HOME nor {0} is set to an absolute path: set one")]
    NoHome(&'static str),
    /// Windows without the variables it always sets.
    #[error("{0} isn't set: set it to the folder for programs' settings")]
    NoAppFolder(&'static str),
}

/// Whose rules for folders hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Platform {
    /// The XDG base directory specification.
    Xdg,
    MacOs,
    Windows,
}

const OWN: &str = "locald";

impl Folders {
    /// Works out the folders from environment variables, by the rules of this platform.
    ///
    /// # Errors
    /// When neither the home folder nor the folder for a purpose is set.
    pub fn from_env(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, FoldersError> {
        let platform = match () {
            () if cfg!(windows) => Platform::Windows,
            () if cfg!(target_os = "macos") => Platform::MacOs,
            () => Platform::Xdg,
        };
        Self::of(platform, get)
    }

    fn of(platform: Platform, get: impl Fn(&str) -> Option<OsString>) -> Result<Self, FoldersError> {
        // A relative value is to be ignored (XDG base directory specification, "Environment variables").
        let folder = |name: &str| {
            get(name)
                .map(PathBuf::from)
                .filter(|path| platform == Platform::Windows || path.is_absolute())
        };
        if platform == Platform::Windows {
            let named = |name: &'static str| {
                folder(name)
                    .filter(|path| !path.as_os_str().is_empty())
                    .ok_or(FoldersError::NoAppFolder(name))
            };
            let local = named("LOCALAPPDATA")?.join(OWN);
            return Ok(Self {
                config: named("APPDATA")?.join(OWN),
                data: local.join("data"),
                cache: local.join("cache"),
                runtime: local.join("run"),
                state: local.join("state"),
            });
        }
        let purpose = |name: &'static str, xdg: &str, mac: &str| match (folder(name), folder("HOME")) {
            (Some(set), _) => Ok(set.join(OWN)),
            (None, Some(home)) if platform == Platform::MacOs => Ok(home.join("Library").join(mac)),
            (None, Some(home)) => Ok(home.join(xdg).join(OWN)),
            (None, None) => Err(FoldersError::NoHome(name)),
        };
        let state = purpose("XDG_STATE_HOME", ".local/state", "Application Support/locald/state");
        Ok(Self {
            config: purpose("XDG_CONFIG_HOME", ".config", "Application Support/locald")?,
            data: purpose("XDG_DATA_HOME", ".local/share", "Application Support/locald/data")?,
            cache: purpose("XDG_CACHE_HOME", ".cache", "Caches/locald")?,
            runtime: match folder("XDG_RUNTIME_DIR") {
                Some(runtime) => runtime.join(OWN),
                None => state.clone()?.join("run"),
            },
            state: state?,
        })
    }

    /// Makes the runtime folder, open to this user only.
    ///
    /// # Errors
    /// When it can't be made, or its permissions can't be set because it belongs to somebody else.
    pub fn make_runtime(&self) -> io::Result<()> {
        private_folder(&self.runtime)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&self.runtime, std::fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }
}

/// Makes a folder and those above it, open to this user only where they are new.
pub(crate) fn private_folder(path: &std::path::Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn folders(platform: Platform, vars: &[(&str, &str)]) -> Result<Folders, FoldersError> {
        Folders::of(platform, |name| {
            vars.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn home_is_the_base_of_what_isnt_set() {
        let folders = folders(
            Platform::Xdg,
            &[
                ("HOME", "/home/u"),
                ("XDG_DATA_HOME", "/data"),
                ("XDG_RUNTIME_DIR", "/run/user/1"),
            ],
        )
        .unwrap();
        assert_eq!(folders.config, PathBuf::from("/home/u/.config/locald"));
        assert_eq!(folders.data, PathBuf::from("/data/locald"));
        assert_eq!(folders.state, PathBuf::from("/home/u/.local/state/locald"));
        assert_eq!(folders.cache, PathBuf::from("/home/u/.cache/locald"));
        assert_eq!(folders.runtime, PathBuf::from("/run/user/1/locald"));
    }

    #[test]
    fn relative_and_empty_values_are_ignored() {
        let folders = folders(
            Platform::Xdg,
            &[
                ("HOME", "/home/u"),
                ("XDG_CONFIG_HOME", "conf"),
                ("XDG_CACHE_HOME", ""),
                ("XDG_RUNTIME_DIR", "run"),
            ],
        )
        .unwrap();
        assert_eq!(folders.config, PathBuf::from("/home/u/.config/locald"));
        assert_eq!(folders.cache, PathBuf::from("/home/u/.cache/locald"));
        assert_eq!(folders.runtime, PathBuf::from("/home/u/.local/state/locald/run"));
    }

    #[test]
    fn without_a_home_each_folder_has_to_be_set() {
        let error = folders(Platform::Xdg, &[("HOME", "")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "neither HOME nor XDG_CONFIG_HOME is set to an absolute path: set one"
        );
        let mut vars = vec![
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_DATA_HOME", "/d"),
            ("XDG_CACHE_HOME", "/h"),
        ];
        assert_eq!(
            folders(Platform::Xdg, &vars),
            Err(FoldersError::NoHome("XDG_STATE_HOME"))
        );
        vars.push(("XDG_STATE_HOME", "/s"));
        assert_eq!(
            folders(Platform::Xdg, &vars).unwrap().runtime,
            PathBuf::from("/s/locald/run")
        );
    }

    #[test]
    fn other_platforms_have_their_own_folders() {
        let mac = folders(Platform::MacOs, &[("HOME", "/Users/u")]).unwrap();
        assert_eq!(mac.config, PathBuf::from("/Users/u/Library/Application Support/locald"));
        assert_eq!(mac.cache, PathBuf::from("/Users/u/Library/Caches/locald"));
        let windows = folders(Platform::Windows, &[("APPDATA", r"C:\r"), ("LOCALAPPDATA", r"C:\l")]).unwrap();
        assert_eq!(windows.config, PathBuf::from(r"C:\r").join("locald"));
        assert_eq!(
            folders(Platform::Windows, &[]),
            Err(FoldersError::NoAppFolder("LOCALAPPDATA"))
        );
    }

    #[test]
    #[cfg(unix)]
    fn the_runtime_folder_is_private_even_when_it_was_not() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let runtime = temp.path().join("a/run");
        std::fs::create_dir_all(&runtime).unwrap();
        let vars = [("HOME", "/h"), ("XDG_RUNTIME_DIR", "/r")];
        let folders = Folders {
            runtime: runtime.clone(),
            ..folders(Platform::Xdg, &vars).unwrap()
        };
        folders.make_runtime().unwrap();
        assert_eq!(std::fs::metadata(&runtime).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
