//! How a command fails: words on stderr, and an exit code.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use locald_core::view::status::ErrorStatus;
use locald_host::control::{
    client::ClientError,
    protocol::{Refusal, RefusalCode},
};
use serde_json::json;

use crate::output;

/// Exit codes as DESIGN has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Failed = 1,
    Usage = 2,
    NoSuchService = 3,
    NoEngine = 4,
    TimedOut = 5,
}

/// Why a command ends without what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub code: Code,
    /// A word for programs.
    pub word: String,
    pub message: String,
    pub hint: Option<String>,
    /// More of it over several lines, shown in place of `message` to people.
    pub report: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: Code, word: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            word: word.to_owned(),
            message: message.into(),
            hint: None,
            report: None,
        }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, "failed", message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Several failures as one: the gravest code counts.
    pub(crate) fn of_error(service: &str, error: &ErrorStatus) -> Self {
        let word = serde_json::to_value(error.code)
            .ok()
            .and_then(|word| word.as_str().map(str::to_owned));
        Self {
            code: if error.code.is_engine() {
                Code::NoEngine
            } else {
                Code::Failed
            },
            word: word.unwrap_or_default(),
            message: format!("{service}: {}", error.message),
            hint: error.hint.clone(),
            report: None,
        }
    }

    /// Prints it on stderr.
    pub(crate) fn report(self, json: bool) -> ExitCode {
        if json {
            let error = json!({"error": {"code": self.word, "message": self.message, "hint": self.hint}});
            output::note(&error.to_string());
        } else if let Some(report) = &self.report {
            output::note(report.trim_end());
        } else {
            let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
            output::note(&format!("{red}error{red:#}: {}", self.message));
            if let Some(hint) = &self.hint {
                output::note(&format!("  {hint}"));
            }
        }
        ExitCode::from(self.code as u8)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => (*refusal).into(),
            ClientError::Silent => Self::new(Code::TimedOut, "host_silent", error.to_string())
                .hint("End it (`pkill -9 locald`) and try again; services stay as they are."),
            other => Self::new(Code::Failed, "host", other.to_string()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.code {
            RefusalCode::NoSuchService => Code::NoSuchService,
            RefusalCode::BadRequest => Code::Usage,
            RefusalCode::NoSuchEngine => Code::NoEngine,
            RefusalCode::NotOurs
            | RefusalCode::NotSaved
            | RefusalCode::BadConfig
            | RefusalCode::NameInUse
            | RefusalCode::NoShell
            | RefusalCode::HasShell => Code::Failed,
        };
        let word = serde_json::to_value(refusal.code)
            .ok()
            .and_then(|word| word.as_str().map(str::to_owned));
        Self {
            code,
            word: word.unwrap_or_default(),
            message: refusal.message,
            hint: refusal.hint,
            report: refusal.report,
        }
    }
}
