//! What can be wrong with a configuration file, and how it is told.

use std::fmt;

/// A configuration file that was refused.
///
/// Its text has one line per problem, in the order of the file, each in the form
/// `file:line: key = value: what is wrong`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct ConfigError {
    /// Name of the file, as given to [`Config::parse`](crate::Config::parse).
    pub file: String,
    /// All problems, in the order of the file; those without a line last.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    fn lines(&self) -> String {
        let lines = self.problems.iter().map(|problem| match problem.line {
            Some(line) => format!("{}:{line}: {problem}", self.file),
            None => format!("{}: {problem}", self.file),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// One thing that is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Line, counted from 1: of the value, of the key, or of the section that lacks a key. None
    /// if the section itself is absent.
    pub line: Option<usize>,
    /// The key with its sections, such as `arm.limits.linear_speed_m_s` or `camera[0].name`.
    pub key: String,
    /// The value as it stands in the file; None if it is absent or does not matter.
    pub found: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(found) = &self.found {
            write!(f, " = {found}")?;
        }
        if self.key.is_empty() {
            write!(f, "{}", self.fault)
        } else {
            write!(f, ": {}", self.fault)
        }
    }
}

/// Kinds of problem.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The file is not TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// No such key. `near` is the key that was probably meant; `known` are all keys of the
    /// section.
    #[error("unknown key; {}", advise(*near, known))]
    UnknownKey {
        /// The key that was probably meant.
        near: Option<&'static str>,
        /// All keys of the section.
        known: Vec<&'static str>,
    },
    /// A key without a default is absent.
    #[error("missing; give {0}")]
    Missing(&'static str),
    /// The value is of another type.
    #[error("must be {0}")]
    WrongType(&'static str),
    /// The number is out of its range.
    #[error("must be {min} to {max}")]
    OutOfRange {
        /// Lowest allowed value.
        min: String,
        /// Highest allowed value.
        max: String,
    },
    /// The word is none of those that the key takes.
    #[error("must be one of {}", quoted(.0))]
    NotOneOf(Vec<&'static str>),
    /// The value breaks a rule of its key, or contradicts another.
    #[error("{0}")]
    Conflict(String),
}

fn advise(near: Option<&str>, known: &[&'static str]) -> String {
    match near {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("the keys here are {}", known.join(", ")),
    }
}

fn quoted(words: &[&'static str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}
