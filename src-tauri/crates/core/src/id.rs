//! Names of things. All are validated where they are made, so that the rest may rely on their shape.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The longest project or service name, in characters. A service's name is also its host name in the
/// project's network, and a host name label has at most 63 (RFC 1035, 2.3.4).
pub const NAME_LIMIT: usize = 63;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("a name can't be empty")]
    Empty,
    /// The name has more than [`NAME_LIMIT`] characters.
    #[error("`{0}` has {1} characters; a name has at most {NAME_LIMIT}")]
    TooLong(String, usize),
    /// A character that container and host names don't allow.
    #[error("`{0}` has the character `{1}`; use a-z, 0-9, `-`, `_` and `.`, and begin and end with a letter or digit")]
    BadCharacter(String, char),
    /// A service id that isn't `project/service`.
    #[error("`{0}` isn't a service id; write it as project/service")]
    NotAnId(String),
}

fn check(name: &str) -> Result<(), NameError> {
    let count = name.chars().count();
    if count == 0 {
        return Err(NameError::Empty);
    }
    if count > NAME_LIMIT {
        let short: String = name.chars().take(24).collect();
        return Err(NameError::TooLong(format!("{short}…"), count));
    }
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if let Some(bad) = name.chars().find(|&c| !(inner(c) || matches!(c, '-' | '_' | '.'))) {
        return Err(NameError::BadCharacter(name.to_owned(), bad));
    }
    for edge in [name.chars().next(), name.chars().next_back()].into_iter().flatten() {
        if !inner(edge) {
            return Err(NameError::BadCharacter(name.to_owned(), edge));
        }
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// When the name is empty, too long or has characters that host names don't allow.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check(name)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name! {
    /// A project's name: `shop`.
    ProjectName
}
name! {
    /// A service's name within its project: `db`.
    ServiceName
}

/// What people and programs call a service: `shop/db`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceId {
    /// The project that declares the service.
    pub project: ProjectName,
    /// The service's name in that project.
    pub name: ServiceName,
}

impl ServiceId {
    /// Puts the two names together.
    #[must_use]
    pub fn new(project: ProjectName, name: ServiceName) -> Self {
        Self { project, name }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.name)
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for ServiceId {
    type Err = NameError;
    fn from_str(id: &str) -> Result<Self, NameError> {
        let (project, name) = id.split_once('/').ok_or_else(|| NameError::NotAnId(id.to_owned()))?;
        Ok(Self::new(ProjectName::new(project)?, ServiceName::new(name)?))
    }
}

impl TryFrom<String> for ServiceId {
    type Error = NameError;
    fn try_from(id: String) -> Result<Self, NameError> {
        id.parse()
    }
}

impl From<ServiceId> for String {
    fn from(id: ServiceId) -> Self {
        id.to_string()
    }
}

macro_rules! opaque {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub Arc<str>);

        impl $type {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $type {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque! {
    /// Which engine: `docker`, or another word when several are connected.
    EngineId
}
opaque! {
    /// What an engine calls an instance (a container's full id).
    InstanceId
}

#[cfg(test)]
mod typescript {
    use super::{EngineId, InstanceId, ProjectName, ServiceId, ServiceName};

    /// In TypeScript all of these are plain strings, as they are in JSON.
    macro_rules! string {
        ($($type:ident),*) => {$(
            impl ts_rs::TS for $type {
                type WithoutGenerics = Self;
                type OptionInnerType = Self;
                fn name(_: &ts_rs::Config) -> String {
                    "string".to_owned()
                }
                fn inline(config: &ts_rs::Config) -> String {
                    Self::name(config)
                }
            }
        )*};
    }

    string!(EngineId, InstanceId, ProjectName, ServiceId, ServiceName);
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn names_are_host_name_labels() {
        for good in ["db", "my-db", "a.b_c", "7", &"x".repeat(63)] {
            assert!(ServiceName::new(good).is_ok(), "{good}");
        }
        assert_eq!(ServiceName::new(""), Err(NameError::Empty));
        assert_eq!(
            ServiceName::new("café"),
            Err(NameError::BadCharacter("café".into(), 'é'))
        );
        assert_eq!(ServiceName::new("-db"), Err(NameError::BadCharacter("-db".into(), '-')));
        assert!(matches!(
            ServiceName::new(&"x".repeat(80)),
            Err(NameError::TooLong(_, 80))
        ));
    }

    #[test]
    fn a_service_id_reads_and_writes_as_project_slash_service() {
        let id: ServiceId = "shop/db".parse().expect("valid");
        assert_eq!(id.to_string(), "shop/db");
        assert_eq!(serde_json::to_string(&id).expect("json"), "\"shop/db\"");
        assert!(serde_json::from_str::<ServiceId>("\"shop\"").is_err());
        assert!("shop/Db".parse::<ServiceId>().is_err());
    }
}
