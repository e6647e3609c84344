//! `locald completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{args::Args, exit::Failure, output};

pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "locald", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(())
}
