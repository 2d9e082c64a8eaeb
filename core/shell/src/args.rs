//! The command line: parsed with the exit codes and the manners of all programs, and the paths on
//! it that a shell did not expand.

use crate::say::{aside, is_gone};
use crate::variable;
use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser};
use jaco_core::given::{GivenPathError, given_path};

pub use jaco_core::given::blames_path;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit code of a wrong command line and of unusable input.
pub const UNUSABLE: u8 = 2;

/// The command line of this process.
///
/// # Errors
/// There is nothing to carry out: the help or the version was asked for and is printed, or the
/// command line is wrong, which is said. The code is the one to exit with.
pub fn parse<Args: Parser>() -> Result<Args, ExitCode> {
    Args::try_parse().map_err(|told| {
        let printed = told.print().and_then(|()| std::io::stdout().flush());
        match printed {
            // Words that nobody takes are no result that is lost.
            _ if told.use_stderr() => ExitCode::from(UNUSABLE),
            Err(error) if !is_gone(&error) => {
                aside(format_args!("cannot write to standard output: {error}"));
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        }
    })
}

/// For options that take a path: what a shell would have made of it, for `--out=~/x` and
/// variables that no shell expanded.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(path_given)
}

/// The path that `text` stands for, as [`given_path`] has it. What is there under this very name,
/// and what is not Unicode, is taken as it is.
///
/// # Errors
/// As [`given_path`].
pub fn path_given(text: OsString) -> Result<PathBuf, GivenPathError> {
    match text.to_str() {
        Some(text) if text.starts_with('~') || Path::new(text).symlink_metadata().is_err() => {
            given_path(text, &variable)
        }
        _ => Ok(text.into()),
    }
}

/// What a user gave cannot be used, rather than that the machine failed: exit code
/// [`UNUSABLE`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

impl Unusable {
    /// Whether `error` is due to what a user gave.
    pub fn is_in(error: &anyhow::Error) -> bool {
        error.chain().any(|cause| cause.is::<Self>())
    }

    /// That `doing` something with a path that a user gave failed with `error`: the user's, if it
    /// is about the path.
    pub fn path(doing: String, error: std::io::Error) -> anyhow::Error {
        match blames_path(&error) {
            true => Self(format!("{doing}: {error}")).into(),
            false => anyhow::Error::new(error).context(doing),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    /// syncthing #1924: a shell leaves `--out=~/x` as it is.
    #[test]
    fn what_a_shell_left_is_expanded_or_refused() {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap());
        assert_eq!(path_given("~/x".into()).unwrap(), home.join("x"));
        assert_eq!(path_given("$HOME/x".into()).unwrap(), home.join("x"));
        assert!(path_given("$JACO_NO_SUCH_VARIABLE/x".into()).is_err());
        assert!(path_given("".into()).is_err());
        let latin1 = OsString::from_vec(b"caf\xe9".to_vec());
        assert_eq!(path_given(latin1.clone()).unwrap(), PathBuf::from(latin1));
    }

    /// tensorboard #1220: what is there is opened as it is.
    #[test]
    fn what_is_there_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cost$5", "2026-11-25T10:30", "a\nb"] {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            assert_eq!(path_given(path.clone().into()).unwrap(), path);
        }
    }
}
