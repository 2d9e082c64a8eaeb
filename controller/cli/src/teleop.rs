//! The verb `jaco teleop`, as declared.

use clap::Args;
use jaco_shell::args::path;
use std::path::PathBuf;

/// Where the configuration is that a daemon reads which nobody told of another.
pub const CONFIGURATION: &str = "/etc/jacod/jacod.toml";

/// Options of `jaco teleop`.
#[derive(Debug, Args)]
pub struct TeleopArgs {
    /// Steer with the keys of this terminal: the simulated arm only.
    #[arg(long)]
    pub keys: bool,
    /// Print what each control of a gamepad does, and end. Needs no daemon.
    #[arg(long, conflicts_with = "keys")]
    pub show_bindings: bool,
    /// With --show-bindings: the configuration whose bindings are shown [default:
    /// /etc/jacod/jacod.toml, or the shipped bindings if there is none].
    #[arg(long, value_name = "FILE", requires = "show_bindings", value_parser = path())]
    pub config: Option<PathBuf>,
}
