//! What a way to an engine needs besides its address.

use std::path::PathBuf;

/// What connecting needs; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// TLS, and by which files; `None` leaves it to the address.
    pub tls: Option<TlsFiles>,
    /// How `ssh` is to log in.
    pub ssh: SshLogin,
    /// Why there is no way at all, when that is known beforehand: the context's file is missing, for example.
    pub obstacle: Option<String>,
}

/// Certificates for an engine behind TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The CA that signed the engine's certificate; `None` trusts the CAs that this machine trusts.
    pub ca: Option<PathBuf>,
    /// locald's own certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Is the engine's certificate checked?
    pub verify: bool,
}

impl Default for TlsFiles {
    fn default() -> Self {
        Self {
            ca: None,
            cert: None,
            key: None,
            verify: true,
        }
    }
}

/// How `ssh` logs in; by default as the person's own ssh configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshLogin {
    /// The key's file, and then no other key is offered.
    pub identity: Option<PathBuf>,
    /// Another configuration file in place of the person's own (`ssh -F`).
    pub config: Option<PathBuf>,
    /// A virtual machine that Podman made on this machine: its host key is new each time and known to nobody.
    pub machine: bool,
}
