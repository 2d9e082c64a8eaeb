//! The verb `jaco teleop`, as declared.

use clap::Args;

/// Options of `jaco teleop`.
#[derive(Debug, Args)]
pub struct TeleopArgs {
    /// Steer with the keys of this terminal: the simulated arm only.
    #[arg(long)]
    pub keys: bool,
}
