//! Where an engine is, and what exactly is wrong when nobody is reached there.

use std::{
    fmt, io,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use locald_engine::ConnectFault;
use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use crate::{Access, ssh::Tunnel, ssh_target::Target, tls::Encryption};

/// How long [`connect`](crate::DockerEngine) waits for the whole answer: with room to spare below the 3 seconds promised.
pub(crate) const SILENCE: std::time::Duration = std::time::Duration::from_millis(2750);
/// The same in whole seconds, as the fault tells it.
pub(crate) const SILENCE_SECONDS: u64 = 3;

/// Docker's own port without TLS, as its command line has it.
const PLAIN_PORT: u16 = 2375;
/// The same with TLS.
const TLS_PORT: u16 = 2376;

/// A way to an engine.
#[derive(Debug, Clone)]
pub(crate) enum Endpoint {
    /// A socket file.
    Unix(PathBuf),
    /// `host:port`, unencrypted.
    Tcp(String),
    /// `host:port` inside TLS.
    Tls(String, Arc<Encryption>),
    /// A socket on another machine.
    Ssh(Arc<Tunnel>),
    /// No way at all, for a reason that was known beforehand.
    Blocked(ConnectFault),
}

/// What an endpoint's text says, before it is known what connecting needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp { address: String, tls: bool },
    Ssh(Target),
}

/// An open connection.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) | Self::Tls(address, _) => write!(f, "tcp://{address}"),
            Self::Ssh(tunnel) => write!(f, "{}", tunnel.target),
            Self::Blocked(_) => f.write_str("the engine"),
        }
    }
}

impl Address {
    /// Reads what `DOCKER_HOST` may say. `tls` is whether `tcp://` means TLS, which decides the usual port.
    pub(crate) fn parse(text: &str, tls: bool) -> Result<Self, ConnectFault> {
        let unreachable = |detail: String| ConnectFault::Unreachable {
            endpoint: text.to_owned(),
            detail,
        };
        let text = text.trim();
        // Docker takes an address without a scheme for tcp.
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(Path::new(rest).components().collect())),
            "unix" => Err(unreachable(
                "a socket's path has to be absolute, as in unix:///var/run/docker.sock".to_owned(),
            )),
            "tcp" if rest.starts_with('/') => Err(unreachable(format!("a socket is written unix://{rest}"))),
            "tcp" | "http" | "https" => {
                let tls = tls || scheme == "https";
                let address = tcp_address(rest, if tls { TLS_PORT } else { PLAIN_PORT }).map_err(unreachable)?;
                Ok(Self::Tcp { address, tls })
            }
            "ssh" => Target::parse(rest).map(Self::Ssh).map_err(unreachable),
            _ => Err(unreachable(
                "locald understands unix:///path, tcp://host:port, and ssh://user@host/path".to_owned(),
            )),
        }
    }
}

fn tcp_address(text: &str, usual_port: u16) -> Result<String, String> {
    let address = text.trim_end_matches('/');
    if address.contains('/') {
        return Err("a path behind the port isn't understood; the address is tcp://host:port".to_owned());
    }
    let (host, port) = match address.rsplit_once(':') {
        // What stands in brackets is an IPv6 address, whose colons part no port.
        Some((_, rest)) if rest.ends_with(']') => (address, None),
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    };
    let odd = |c: char| c.is_whitespace() || c.is_control() || "@?#".contains(c);
    if host.is_empty() || host.contains(odd) {
        return Err("the address has no host that could be asked; it is tcp://host:port".to_owned());
    }
    let port = match port {
        None => usual_port,
        Some(port) => port.parse().map_err(|_| format!("`{port}` is not a port"))?,
    };
    Ok(format!("{}:{port}", host.to_ascii_lowercase()))
}

impl Endpoint {
    /// Connects to nothing yet; files of certificates are read at each connection, so that new ones are seen.
    pub(crate) fn new(text: &str, access: &Access) -> Result<Self, ConnectFault> {
        if let Some(detail) = &access.obstacle {
            return Ok(Self::Blocked(ConnectFault::Unreachable {
                endpoint: text.to_owned(),
                detail: detail.clone(),
            }));
        }
        Ok(match Address::parse(text, access.tls.is_some())? {
            Address::Unix(path) => Self::Unix(path),
            Address::Tcp { address, tls: false } => Self::Tcp(address),
            Address::Tcp { address, tls: true } => {
                let files = access.tls.clone().unwrap_or_default();
                Self::Tls(address, Arc::new(Encryption::new(files)))
            }
            Address::Ssh(target) => Self::Ssh(Arc::new(Tunnel::new(target, access.ssh.clone()))),
        })
    }

    /// Opens a connection, or says what is in the way.
    pub(crate) async fn open(&self) -> Result<Box<dyn Connection>, ConnectFault> {
        match self {
            Self::Unix(path) => {
                look_at(path)?;
                match UnixStream::connect(path).await {
                    Ok(stream) => Ok(Box::new(stream)),
                    Err(error) => Err(self.fault(&error)),
                }
            }
            Self::Tcp(address) => Ok(Box::new(self.dial(address).await?)),
            Self::Tls(address, encryption) => {
                let stream = self.dial(address).await?;
                Ok(Box::new(encryption.wrap(address, stream).await?))
            }
            Self::Ssh(tunnel) => Ok(Box::new(tunnel.open().await?)),
            Self::Blocked(fault) => Err(fault.clone()),
        }
    }

    /// What lies behind a connection that was opened and broke before an answer: a relay takes connections also when
    /// it can't pass them on, and a server may refuse a certificate only after the handshake.
    pub(crate) async fn explain(&self, broken: &str) -> Option<ConnectFault> {
        match self {
            Self::Tls(address, encryption) => encryption.refused(address, broken),
            Self::Ssh(tunnel) => tunnel.complaint().await,
            Self::Unix(_) | Self::Tcp(_) | Self::Blocked(_) => None,
        }
    }

    async fn dial(&self, address: &str) -> Result<TcpStream, ConnectFault> {
        let stream = TcpStream::connect(address).await.map_err(|error| self.fault(&error))?;
        keep_alive(&stream).map_err(|error| self.fault(&error))?;
        Ok(stream)
    }

    fn fault(&self, error: &io::Error) -> ConnectFault {
        let path = || self.to_string();
        match (error.kind(), self) {
            (io::ErrorKind::ConnectionRefused, _) => ConnectFault::Refused { endpoint: path() },
            (io::ErrorKind::NotFound, Self::Unix(_)) => ConnectFault::Missing { path: path() },
            (io::ErrorKind::PermissionDenied, Self::Unix(_)) => ConnectFault::NotPermitted { path: path() },
            // A listener whose queue is full takes no more connections: it lives and doesn't answer.
            (io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut, _) => ConnectFault::Silent {
                endpoint: path(),
                seconds: SILENCE_SECONDS,
            },
            _ => ConnectFault::Unreachable {
                endpoint: path(),
                detail: error.to_string(),
            },
        }
    }
}

/// The file in the socket's place, before a connect: the kernel gives the same error for several of these.
fn look_at(path: &Path) -> Result<(), ConnectFault> {
    let text = path.display().to_string();
    match std::fs::metadata(path) {
        Ok(file) if file.is_dir() => Err(ConnectFault::IsDirectory { path: text }),
        Ok(file) if !file.file_type().is_socket() => Err(ConnectFault::Unreachable {
            endpoint: text,
            detail: "it is a file, not a socket".to_owned(),
        }),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(ConnectFault::NotPermitted { path: text }),
        Err(_) => Err(ConnectFault::Missing { path: text }),
    }
}

/// The event stream may be quiet for hours; without this a remote engine that lost power would never be missed.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    use std::time::Duration;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(15))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(5))?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str, tls: bool) -> Result<Address, ConnectFault> {
        Ok(Address::Tcp {
            address: address.to_owned(),
            tls,
        })
    }

    #[test]
    fn endpoints_read_as_docker_reads_them() {
        let unix = |path: &str| Ok(Address::Unix(path.into()));
        for (text, tls, expected) in [
            ("unix:///run/d.sock", false, unix("/run/d.sock")),
            ("unix:////run//d.sock/", true, unix("/run/d.sock")),
            ("tcp://10.0.0.1", false, tcp("10.0.0.1:2375", false)),
            ("tcp://10.0.0.1", true, tcp("10.0.0.1:2376", true)),
            ("tcp://H:99/", false, tcp("h:99", false)),
            ("h:99", false, tcp("h:99", false)),
            ("http://h", false, tcp("h:2375", false)),
            ("https://h", false, tcp("h:2376", true)),
            ("tcp://[::1]", false, tcp("[::1]:2375", false)),
            ("tcp://[::1]:1", false, tcp("[::1]:1", false)),
        ] {
            assert_eq!(Address::parse(text, tls), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_answered_with_what_is() {
        for (bad, word) in [
            ("unix://relative", "absolute"),
            ("tcp://", "tcp://host:port"),
            ("", "tcp://host:port"),
            ("tcp://h:docker", "`docker` is not a port"),
            ("tcp://h:1/prefix", "path behind the port"),
            ("/var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("npipe:////./pipe/docker", "ssh://user@host"),
            ("fd://", "unix:///path"),
            ("ssh://", "host"),
            ("ssh://-oProxyCommand=x/", "host"),
        ] {
            let Err(ConnectFault::Unreachable { endpoint, detail }) = Address::parse(bad, false) else {
                unreachable!("{bad} was understood");
            };
            assert!(endpoint == bad && detail.contains(word), "{bad}: {detail}");
        }
    }
}
