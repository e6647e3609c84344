//! What went wrong, told apart by what a person can do about it.

use std::{io, path::Path};

use locald_core::ProblemCode;
use locald_engine::EngineError;

/// A fault, before it is known which operation it broke.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: ProblemCode,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// What a file operation said.
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ProblemCode::DiskFull,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ProblemCode::DataNotPermitted,
            _ => ProblemCode::StartFailed,
        };
        Self::new(code, format!("{doing} {}: {}", path.display(), words(error)))
    }

    /// What a program of PostgreSQL's said, in English as it was asked to.
    pub(crate) fn said(program: &str, output: &str) -> Self {
        let holds = |text: &str| output.contains(text);
        let code = if holds("No space left on device") || holds("Disk quota exceeded") {
            ProblemCode::DiskFull
        } else if holds("Permission denied") || holds("Read-only file system") {
            ProblemCode::DataNotPermitted
        } else if holds("\"root\" execution") || holds("cannot be run as root") {
            ProblemCode::RootRefused
        } else {
            ProblemCode::StartFailed
        };
        Self::new(code, format!("{program} failed: {}", reason(output)))
    }

    pub(crate) fn create(self, name: &str) -> EngineError {
        EngineError::Create {
            name: name.to_owned(),
            code: self.code,
            detail: self.detail,
        }
    }

    pub(crate) fn start(self, name: &str) -> EngineError {
        EngineError::Start {
            name: name.to_owned(),
            code: self.code,
            detail: self.detail,
        }
    }

    pub(crate) fn data(self, service: &str, verb: &'static str) -> EngineError {
        EngineError::Data {
            service: service.to_owned(),
            verb,
            code: self.code,
            detail: self.detail,
        }
    }
}

/// An error of the system without its number.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system can't be written to".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// The line of an output that says why: the first that reports an error, else the last one.
fn reason(output: &str) -> &str {
    let lines = || output.lines().map(str::trim).filter(|line| !line.is_empty());
    lines()
        .find(|line| {
            ["FATAL:", "PANIC:", "ERROR:", "error:"]
                .iter()
                .any(|word| line.contains(word))
        })
        .or_else(|| lines().next_back())
        .unwrap_or("it said nothing")
}
