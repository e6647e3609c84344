//! Where an engine is, and what exactly is wrong when nobody is reached there.

use std::{
    fmt, io,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

use locald_engine::ConnectFault;
use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

/// How long [`connect`](crate::DockerEngine) waits for the whole answer: with room to spare below the 3 seconds promised.
pub(crate) const SILENCE: std::time::Duration = std::time::Duration::from_millis(2750);
/// The same in whole seconds, as the fault tells it.
pub(crate) const SILENCE_SECONDS: u64 = 3;

/// A way to an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A socket file.
    Unix(PathBuf),
    /// `host:port`, unencrypted.
    Tcp(String),
}

/// An open connection.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

impl Endpoint {
    /// Reads `unix:///path` or `tcp://host:port`.
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectFault> {
        let unreachable = |detail: &str| ConnectFault::Unreachable {
            endpoint: text.to_owned(),
            detail: detail.to_owned(),
        };
        if let Some(path) = text.strip_prefix("unix://") {
            if !path.starts_with('/') {
                return Err(unreachable(
                    "a socket's path has to be absolute, as in unix:///var/run/docker.sock",
                ));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        if let Some(address) = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://")) {
            let address = address.trim_end_matches('/');
            if address.is_empty() {
                return Err(unreachable("the address has no host"));
            }
            // Docker's own port without TLS, as its command line has it.
            let has_port = address
                .rsplit_once(':')
                .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            return Ok(Self::Tcp(if has_port {
                address.to_owned()
            } else {
                format!("{address}:2375")
            }));
        }
        Err(unreachable(
            "locald reaches engines over unix:// and tcp:// only, so far",
        ))
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
            Self::Tcp(address) => match TcpStream::connect(address).await {
                Ok(stream) => {
                    keep_alive(&stream).map_err(|error| self.fault(&error))?;
                    Ok(Box::new(stream))
                }
                Err(error) => Err(self.fault(&error)),
            },
        }
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

    #[test]
    fn endpoints_read_as_docker_reads_them() {
        assert_eq!(
            Endpoint::parse("unix:///run/d.sock"),
            Ok(Endpoint::Unix("/run/d.sock".into()))
        );
        assert_eq!(
            Endpoint::parse("tcp://10.0.0.1"),
            Ok(Endpoint::Tcp("10.0.0.1:2375".into()))
        );
        assert_eq!(Endpoint::parse("tcp://h:99/"), Ok(Endpoint::Tcp("h:99".into())));
        for bad in ["unix://relative", "ssh://host", "tcp://", "", "npipe:////./pipe/docker"] {
            assert!(
                matches!(Endpoint::parse(bad), Err(ConnectFault::Unreachable { .. })),
                "{bad}"
            );
        }
    }
}
