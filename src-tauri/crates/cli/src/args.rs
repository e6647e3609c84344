//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;

/// Local services: a database, a cache, a mail catcher, running when you need them.
#[derive(Debug, Parser)]
#[command(name = "locald", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Args {
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// The folder of the project [default: the nearest locald.toml upward, else the personal project].
    #[arg(long, global = true, value_name = "DIR")]
    pub project: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such service, 4 no engine can run it, 5 timed out.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show services and their states.
    Status {
        /// Print again with every change.
        #[arg(long)]
        watch: bool,
        /// Only these [default: all].
        services: Vec<String>,
    },
    /// Start the project's services, and restart those that differ from locald.toml.
    Up {
        /// Only these and what they depend on [default: all of the project].
        services: Vec<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Stop the project's services.
    Down {
        /// Only these [default: all of the project].
        services: Vec<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Start services and what they depend on.
    Start {
        #[arg(required = true)]
        services: Vec<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Stop services.
    Stop {
        #[arg(required = true)]
        services: Vec<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Stop and start services.
    Restart {
        #[arg(required = true)]
        services: Vec<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Show a service's output.
    Logs {
        service: String,
        /// Go on as more is written, across restarts.
        #[arg(short, long)]
        follow: bool,
        /// Only the last N lines [default: 1000; `all` for all].
        #[arg(short = 'n', long = "lines", value_name = "N", default_value = "1000", value_parser = lines)]
        lines: Lines,
        /// Begin each line with its time.
        #[arg(short, long)]
        timestamps: bool,
    },
    /// Show engines, where they are, and what is wrong with those that don't answer.
    Engines {
        #[command(subcommand)]
        command: Option<Engines>,
    },
    /// Have a service run on another engine. What it has on the old one stays there.
    Move {
        service: String,
        /// Where to: an id or family that `locald engines` shows.
        #[arg(long, value_name = "ENGINE")]
        engine: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Show no notifications about a service.
    Mute {
        service: String,
        /// For so long: 1h, 30m [default: until unmuted].
        #[arg(long = "for", value_name = "TIME", value_parser = duration)]
        time: Option<Duration>,
    },
    /// Show notifications about a service again.
    Unmute { service: String },
    /// Print what changes, as it changes.
    Events,
    /// Show the dashboard window, with a service's log when one is named.
    Open { service: Option<String> },
    /// Run the host in the foreground, without a desktop. Other commands start one by themselves.
    Host,
    /// Print a completion script for a shell.
    Completions { shell: Shell },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Engines {
    /// Choose the engine that runs new services: an id or family, or `auto` to leave it to locald.
    Default { engine: String },
}

#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct Wait {
    /// Wait until health checks answer too.
    #[arg(long, conflicts_with = "no_wait")]
    pub wait: bool,
    /// Don't wait at all.
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait: 90s, 5m.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub timeout: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines(pub Option<u32>);

fn lines(text: &str) -> Result<Lines, String> {
    if text == "all" {
        return Ok(Lines(None));
    }
    text.parse()
        .map(|count| Lines(Some(count)))
        .map_err(|_| "give a number of lines, or `all`".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "give a time with its unit, as in 90s or 5m".to_owned())?;
    Duration::try_from(span).map_err(|_| "a time can't be negative".to_owned())
}
