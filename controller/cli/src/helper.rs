//! What the programs share that `jaco` hands verbs to: command line in, last words and exit code
//! out.

use crate::{Cli, exit};
use jaco_api::client::ClientError;
use jaco_shell::args::{self, Unusable};
use jaco_shell::say::{Unwritten, aside, in_full};
use std::error::Error;
use std::process::ExitCode;

/// Whether an error is about what a user gave (exit code 2) or about the machine (1); none if the
/// judge does not know it.
pub type Blame = fn(&(dyn Error + 'static)) -> Option<bool>;

/// Parses the command line and carries it out; `blame` judges the causes of an error, `otherwise`
/// is the exit code of those that it does not know.
pub fn main(
    otherwise: u8,
    blame: Blame,
    carry_out: impl FnOnce(&Cli) -> anyhow::Result<()>,
) -> ExitCode {
    let cli = match args::parse::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match carry_out(&cli) {
        Ok(()) => ExitCode::from(exit::OK),
        Err(error) => {
            aside(format_args!("jaco: {}", in_full(&error)));
            ExitCode::from(match error.chain().find_map(blame) {
                _ if Unusable::is_in(&error) => exit::USAGE,
                _ if Unwritten::is_in(&error) => exit::FAILED,
                _ if is_refused(&error) => exit::REFUSED,
                Some(true) => exit::USAGE,
                Some(false) => exit::FAILED,
                None => otherwise,
            })
        }
    }
}

fn is_refused(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ClientError::Refused(_)))
}
