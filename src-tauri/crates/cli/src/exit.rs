//! How a command fails: words on stderr, and an exit code.

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use locald_core::{Choice, view::status::ErrorStatus};
use locald_host::control::{
    client::ClientError,
    protocol::{Refusal, RefusalCode},
};
use serde_json::json;

use crate::{format, output};

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
    /// Ways out of it. Boxed: few failures have any.
    pub ways_out: Option<Box<WaysOut>>,
}

/// Ways out of a service's fault.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WaysOut {
    pub service: String,
    pub choices: Vec<Choice>,
}

impl Failure {
    pub(crate) fn new(code: Code, word: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            word: word.to_owned(),
            message: message.into(),
            hint: None,
            report: None,
            ways_out: None,
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
            hint: format::hint(service, error),
            report: None,
            ways_out: (!error.choices.is_empty()).then(|| {
                Box::new(WaysOut {
                    service: service.to_owned(),
                    choices: error.choices.clone(),
                })
            }),
        }
    }

    /// Prints it on stderr.
    pub(crate) fn report(self, json: bool) -> ExitCode {
        if json {
            let mut error = json!({"code": self.word, "message": self.message, "hint": self.hint});
            if let Some(ways_out) = &self.ways_out {
                error["service"] = json!(ways_out.service);
                error["choices"] = json!(ways_out.choices);
            }
            output::note(&json!({ "error": error }).to_string());
        } else if let Some(report) = &self.report {
            output::note(report.trim_end());
        } else {
            let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
            output::note(&format!("{red}error{red:#}: {}", self.message));
            if let Some(hint) = &self.hint {
                output::note(&format!("  {hint}"));
            }
            if let Some(ways_out) = &self.ways_out {
                let line = format::ways_out(&ways_out.service, &ways_out.choices);
                output::note(&format!("  {line}"));
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
            RefusalCode::BadRequest | RefusalCode::BadEntry => Code::Usage,
            RefusalCode::NoSuchEngine => Code::NoEngine,
            RefusalCode::NotOurs
            | RefusalCode::NotSaved
            | RefusalCode::BadConfig
            | RefusalCode::NameInUse
            | RefusalCode::NotPossible
            | RefusalCode::NoSuchThing
            | RefusalCode::Failed
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
            ways_out: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use locald_core::ProblemCode;

    use super::*;

    #[test]
    fn a_fault_with_ways_out_names_them() {
        let error = ErrorStatus {
            code: ProblemCode::VersionDiffers,
            message: "The data is from 15, this is 17".to_owned(),
            hint: Some("Choose: `locald choose SERVICE upgrade`.".to_owned()),
            choices: vec![Choice::KeepVersion, Choice::Upgrade],
        };
        let failure = Failure::of_error("shop/db", &error);
        assert_eq!((failure.code, failure.word.as_str()), (Code::Failed, "version_differs"));
        assert_eq!(
            failure.hint.as_deref(),
            Some("Choose: `locald choose shop/db upgrade`.")
        );
        let ways_out = failure.ways_out.as_deref();
        assert_eq!(
            ways_out.map(|ways| format::ways_out(&ways.service, &ways.choices)),
            Some("choose: locald choose shop/db keep-version | upgrade".to_owned())
        );
    }

    #[test]
    fn refusals_have_the_exit_codes_of_the_design() {
        for (code, expected) in [
            (RefusalCode::NoSuchService, Code::NoSuchService),
            (RefusalCode::NoSuchEngine, Code::NoEngine),
            (RefusalCode::BadEntry, Code::Usage),
            (RefusalCode::NotPossible, Code::Failed),
            (RefusalCode::NoSuchThing, Code::Failed),
        ] {
            let refusal = Refusal {
                code,
                message: "m".to_owned(),
                hint: None,
                report: None,
            };
            assert_eq!(Failure::from(refusal).code, expected, "{code:?}");
        }
    }
}
