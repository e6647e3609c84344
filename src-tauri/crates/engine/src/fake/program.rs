//! The few statements of a shell that a fake instance understands: `echo`, `printf`, `exit`, `sleep`, `trap … TERM`
//! and `while` (which runs on for ever). Anything else counts as a program that runs on.

use std::time::Duration;

use locald_core::InstanceId;

use super::FakeEngine;
use crate::LogStream;

impl FakeEngine {
    /// Runs the script of the instance's run number `run` in a task.
    pub(super) fn execute(&self, id: &InstanceId, run: u64, script: &str) {
        let (fake, id, script) = (self.clone(), id.clone(), script.to_owned());
        // What comes before the first wait has happened when the start returns, as good as with a real engine.
        tokio::spawn(async move {
            let mut unfinished = String::new();
            for statement in script.split("; ") {
                if fake.with(&id, |known| known.runs) != Some(run) || !fake.is_alive(&id) {
                    return;
                }
                let (word, rest) = statement.split_once(' ').unwrap_or((statement, ""));
                match word {
                    "echo" => {
                        let (text, stream) = match rest.strip_suffix(" >&2") {
                            Some(text) => (text, LogStream::Stderr),
                            None => (rest, LogStream::Stdout),
                        };
                        fake.print(&id, stream, &format!("{}{text}", std::mem::take(&mut unfinished)));
                    }
                    "printf" => unfinished.push_str(rest.trim_matches('\'')),
                    "sleep" => tokio::time::sleep(Duration::from_secs_f64(rest.parse().unwrap_or(0.0))).await,
                    "trap" => {
                        let code = rest.trim_start_matches('\'').strip_prefix("exit ");
                        let code = code.and_then(|rest| rest.split('\'').next()?.parse().ok());
                        fake.with(&id, |known| known.on_term = code);
                    }
                    "exit" => {
                        if !unfinished.is_empty() {
                            fake.print(&id, LogStream::Stdout, &unfinished);
                        }
                        fake.end(&id, rest.parse().unwrap_or(0), false);
                        return;
                    }
                    _ => return,
                }
            }
            fake.end(&id, 0, false);
        });
    }
}
