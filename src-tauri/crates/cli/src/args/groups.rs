//! Options and commands that belong together.

use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};

use super::values::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Engines {
    /// Choose the engine that runs new services: an id or family, or `auto` to leave it to locald.
    Default { engine: String },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Snapshots {
    /// Save the state of a service's data. The service is stopped meanwhile.
    Save {
        service: String,
        /// What to call it [default: the time].
        name: Option<String>,
    },
    /// Show a service's saved states.
    List { service: String },
    /// Put a saved state in the place of a service's data, which goes to the trash.
    Restore {
        service: String,
        name: String,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Remove a saved state for good.
    Rm {
        service: String,
        name: String,
        #[command(flatten)]
        confirm: Confirm,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Trash {
    /// Show what is in the trash.
    List,
    /// Put something back. What is in its place goes to the trash.
    Restore { id: String },
    /// Remove for good what is in the trash.
    Empty {
        /// Only this [default: all].
        id: Option<String>,
        #[command(flatten)]
        confirm: Confirm,
    },
}

#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct Confirm {
    /// Don't ask.
    #[arg(short, long)]
    pub yes: bool,
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

/// [`Wait`] of commands that wait for health checks unless told otherwise.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct Patience {
    /// Don't wait until it answers.
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait: 90s, 5m.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub timeout: Duration,
}
