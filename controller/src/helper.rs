//! What the programs share that `jaco` hands verbs to: command line in, last words and exit code
//! out.

use crate::cli::{Cli, exit};
use crate::policy::exit_code;
use crate::words::in_full;
use clap::Parser;
use std::process::ExitCode;

/// Parses the command line and carries it out; `otherwise` is the exit code of errors that tell
/// nothing else.
pub fn main(otherwise: u8, carry_out: impl FnOnce(&Cli) -> anyhow::Result<()>) -> ExitCode {
    match carry_out(&Cli::parse()) {
        Ok(()) => ExitCode::from(exit::OK),
        Err(error) => {
            eprintln!("jaco: {}", in_full(&error));
            ExitCode::from(exit_code(&error, otherwise))
        }
    }
}
