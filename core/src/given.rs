//! Paths as people give them, in a file, a variable or a command line: `~/`, `$NAME` and `${NAME}`
//! stand for what they mean, and what could only mean another place by accident is refused.
//!
//! Pure: whoever calls hands in the variables and looks at no file here.

use std::ffi::OsString;
use std::io::{Error, ErrorKind};
use std::path::PathBuf;

/// The value of a variable of the environment, if it is set. One that is set to nothing counts as
/// not set, whatever this returns for it.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Why a text names no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenPathError {
    /// There is no text.
    #[error("must not be empty")]
    Empty,
    /// A zero, a line's end or the like, which files and shells leave there by accident.
    #[error("holds the control character U+{0:04X} (a line's end is U+000A): take it out")]
    ControlCharacter(u32),
    /// `~name`.
    #[error("~{0} is not looked up: write that home out, or ./~{0} for a file that is called so")]
    OtherHome(String),
    /// A variable without a value.
    #[error("the variable {0} is not set: set it, write the path out, or $$ for a plain $")]
    Unset(String),
    /// `$` and no name.
    #[error("a $ without a name: write $NAME or ${{NAME}} for a variable, $$ for a plain $")]
    LoneDollar,
}

/// Linux's number for links in a circle, which the standard library has no kind for yet.
const ELOOP: i32 = 40;

/// Whether `error`, about a path that a user named, is about the path and not about the machine:
/// nothing there, something else there, no permission.
pub fn blames_path(error: &Error) -> bool {
    let about_path = matches!(
        error.kind(),
        ErrorKind::AlreadyExists
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
    );
    about_path || error.raw_os_error() == Some(ELOOP)
}

/// The path that `text` stands for. `~` alone or before a `/` at the start is the variable HOME;
/// `$NAME` and `${NAME}` are variables anywhere; `$$` is a `$`. Values are taken as they are.
///
/// # Errors
/// The text is empty, holds a control character, names somebody else's home or a variable that is
/// not set.
pub fn given_path(text: &str, variables: Variables<'_>) -> Result<PathBuf, GivenPathError> {
    if text.is_empty() {
        return Err(GivenPathError::Empty);
    }
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return Err(GivenPathError::ControlCharacter(control.into()));
    }
    let value = |name: &str| {
        let value = variables(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| GivenPathError::Unset(name.to_owned()))
    };
    let mut path = OsString::new();
    let mut rest = text;
    if let Some(after) = rest.strip_prefix('~') {
        if !after.is_empty() && !after.starts_with('/') {
            let person = after.split('/').next().unwrap_or_default();
            return Err(GivenPathError::OtherHome(person.to_owned()));
        }
        path.push(value("HOME")?);
        rest = after;
    }
    while let Some((plain, after)) = rest.split_once('$') {
        path.push(plain);
        if let Some(after) = after.strip_prefix('$') {
            path.push("$");
            rest = after;
            continue;
        }
        let (name, after) = variable_name(after).ok_or(GivenPathError::LoneDollar)?;
        path.push(value(name)?);
        rest = after;
    }
    path.push(rest);
    Ok(path.into())
}

/// The text that [`given_path`] reads back as `path`; none if there is no such text.
pub fn as_given(path: &std::path::Path) -> Option<String> {
    let text = path.to_str()?.replace('$', "$$");
    Some(if text.starts_with('~') { format!("./{text}") } else { text })
}

/// The name at the start of `text`, bare or in braces, and what follows it.
fn variable_name(text: &str) -> Option<(&str, &str)> {
    let (name, after) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => {
            let end = text.find(|c: char| !is_name(c)).unwrap_or(text.len());
            text.split_at(end)
        }
    };
    let well_formed = name.chars().all(is_name) && !name.starts_with(|c: char| c.is_ascii_digit());
    (well_formed && !name.is_empty()).then_some((name, after))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::path::Path;

    fn variables(name: &str) -> Option<OsString> {
        match name {
            "HOME" => Some("/home/ada".into()),
            "DATA_2" => Some("/mnt/$x".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        }
    }

    fn given(text: &str) -> Result<PathBuf, String> {
        given_path(text, &variables).map_err(|error| error.to_string())
    }

    /// syncthing #1924, pitchfork #675: a folder called `~` was made.
    #[test]
    fn home_and_variables_stand_for_what_they_mean() {
        for (text, path) in [
            ("~", "/home/ada"),
            ("~/", "/home/ada/"),
            ("~/jacod/data", "/home/ada/jacod/data"),
            ("$HOME/data", "/home/ada/data"),
            ("${HOME}data", "/home/adadata"),
            ("/a/$DATA_2/${HOME}", "/a//mnt/$x//home/ada"),
            ("/a/~/b~", "/a/~/b~"),
            ("./~ada", "./~ada"),
            ("cost$$5", "cost$5"),
            ("2026-11-25T10:30 ü", "2026-11-25T10:30 ü"),
        ] {
            assert_eq!(given(text).unwrap(), Path::new(path), "{text}");
        }
    }

    #[test]
    fn what_stands_for_nothing_is_refused() {
        for (text, word) in [
            ("", "empty"),
            ("~ada/data", "~ada is not looked up"),
            ("~+/data", "~+ is not looked up"),
            ("$NOWHERE/x", "NOWHERE is not set"),
            ("${EMPTY}/x", "EMPTY is not set"),
            ("a$", "without a name"),
            ("a$/b", "without a name"),
            ("${HOME", "without a name"),
            ("${}", "without a name"),
            ("${HO ME}", "without a name"),
            ("$5", "without a name"),
            ("/data\n", "U+000A"),
            ("/da\0ta", "U+0000"),
            ("/data\r", "U+000D"),
        ] {
            let error = given(text).unwrap_err();
            assert!(error.contains(word), "{text:?}: {error}");
        }
        assert_eq!(given_path("~/x", &|_| None), Err(GivenPathError::Unset("HOME".to_owned())));
    }

    #[test]
    fn a_path_can_be_written_down_as_it_is() {
        for path in ["/a/$HOME/${x}", "~/x", "~ada", "$", "plain"] {
            let back = given(&as_given(Path::new(path)).unwrap()).unwrap();
            assert_eq!(back.strip_prefix(".").unwrap_or(&back), Path::new(path), "{path}");
        }
    }
}
