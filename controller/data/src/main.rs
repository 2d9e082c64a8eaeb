//! `jaco-data`: the verbs of `jaco` about recorded datasets. Needs neither libtorch nor MuJoCo.
//! It never moves an arm itself: a replay is the daemon's.

use jaco_cli::{Cli, exit, helper};
use std::process::ExitCode;

fn main() -> ExitCode {
    helper::main(exit::USAGE, |_| None, carry_out)
}

fn carry_out(_: &Cli) -> anyhow::Result<()> {
    anyhow::bail!("jaco-data knows the verbs about datasets only; the others are jaco's")
}
