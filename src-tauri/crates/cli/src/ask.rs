//! Asks before something that a person may not have meant.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::exit::{Code, Failure};

/// What holds where nobody can be asked: stdin or stderr is no terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unattended {
    /// Nothing is lost by it.
    GoesOn,
    /// Only with `--yes`.
    NeedsYes,
}

/// Asks whether to go on, unless `yes`.
pub(crate) fn confirm(question: &str, yes: bool, unattended: Unattended) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return match unattended {
            Unattended::GoesOn => Ok(()),
            Unattended::NeedsYes => Err(Failure::new(
                Code::Usage,
                "not_confirmed",
                "there is no terminal to ask on, so nothing was done",
            )
            .hint("Say --yes to go on without being asked.")),
        };
    }
    let failed = |error: io::Error| Failure::failed(format!("the answer can't be read: {error}"));
    let mut stderr = anstream::stderr();
    write!(stderr, "{question} [y/N] ")
        .and_then(|()| stderr.flush())
        .map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    if is_yes(&answer) {
        Ok(())
    } else {
        Err(Failure::new(Code::Failed, "not_confirmed", "nothing was done"))
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for answer in ["y\n", "Y\n", "yes\r\n", " Yes "] {
            assert!(is_yes(answer), "{answer:?}");
        }
        for answer in ["", "\n", "n\n", "yep\n", "no\n"] {
            assert!(!is_yes(answer), "{answer:?}");
        }
    }
}
