//! The command line.

mod groups;
mod values;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use locald_core::Choice;

pub(crate) use groups::{Confirm, Engines, Patience, Snapshots, Trash, Wait};
pub(crate) use values::{CHOICES, EnvFormat, Lines, Wish, choice_word};
use values::{choice, duration, lines, wish};

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
    /// Show what `locald add` can add, and which versions.
    Catalog,
    /// Add a service from the catalog, start it, wait until it answers, and print its URL.
    Add {
        /// An entry of `locald catalog`, with or without a version: postgres, postgres@16.
        #[arg(value_name = "TYPE[@VERSION]", value_parser = wish)]
        wish: Wish,
        /// What to call it [default: TYPE, or that with a number].
        #[arg(long)]
        name: Option<String>,
        /// Don't start it.
        #[arg(long, conflicts_with = "no_wait")]
        no_start: bool,
        #[command(flatten)]
        patience: Patience,
    },
    /// Stop services and take them out of locald.toml; their data goes to the trash.
    Rm {
        #[arg(required = true)]
        services: Vec<String>,
        #[command(flatten)]
        confirm: Confirm,
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
    /// Have a service run on another engine, with its data.
    ///
    /// URL and port stay as they are. What it had on the old engine is kept in the trash, from which it can be restored.
    Move {
        service: String,
        /// Where to: an id or family that `locald engines` shows.
        #[arg(long, value_name = "ENGINE")]
        engine: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Print a service's URL, password and all.
    Url { service: String },
    /// Print environment variables that say how to connect.
    Env {
        /// Only of this one [default: all of the project; where two want a name, the first has it].
        service: Option<String>,
        /// What is to read it.
        #[arg(short, long, value_enum, default_value_t)]
        format: EnvFormat,
    },
    /// Run a command with the environment that `locald env` prints.
    #[command(override_usage = "locald run [OPTIONS] -- CMD [ARG]...")]
    Run {
        /// Start the project's services first, and wait until they answer.
        #[arg(long)]
        up: bool,
        /// How long to wait with --up: 90s, 5m.
        #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
        timeout: Duration,
        #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
        command: Vec<OsString>,
    },
    /// Open a service's own client: psql, redis-cli.
    Connect {
        service: String,
        /// More arguments for the client, after `--`.
        #[arg(value_name = "ARG", last = true)]
        args: Vec<OsString>,
    },
    /// Save and restore states of a service's data.
    Snapshot {
        #[command(subcommand)]
        command: Snapshots,
    },
    /// Show what was removed or replaced; restore it, or remove it for good.
    Trash {
        #[command(subcommand)]
        command: Option<Trash>,
    },
    /// Take a way out of what keeps a service from starting.
    ///
    /// Without CHOICE, the ways out that there are at the moment are shown.
    Choose {
        service: String,
        /// Which way.
        #[arg(value_parser = choice())]
        choice: Option<Choice>,
        #[command(flatten)]
        patience: Patience,
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
    /// Check folders, engines, ports and client programs.
    Doctor,
    /// Run the host in the foreground, without a desktop. Other commands start one by themselves.
    Host,
    /// Print a completion script for a shell.
    Completions { shell: Shell },
}

#[cfg(test)]
mod tests;
