//! What a program says: its result on standard output, for people or as JSON, and its words on
//! standard error.

use serde::Serialize;
use std::fmt::Display;
use std::io::Write;

/// A result that standard output did not take: the machine's failure, whatever the result is.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub struct Unwritten(std::io::Error);

impl Unwritten {
    /// Whether `error` is this.
    pub fn is_in(error: &anyhow::Error) -> bool {
        error.is::<Self>()
    }
}

/// Prints `value` in words, or as one JSON object.
///
/// # Errors
/// As [`line`].
pub fn print<T: Serialize + Display>(json: bool, value: &T) -> anyhow::Result<()> {
    if json { object(value) } else { line(value).map(drop) }
}

/// Prints `value` as one JSON object.
///
/// # Errors
/// As [`line`].
pub fn object<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?).map(drop)
}

/// Prints `text` and a line's end on standard output. False if nobody reads it any more, which is
/// no failure: `jaco status | head -1`.
///
/// # Errors
/// Standard output takes nothing: a disk is full.
pub fn line(text: impl Display) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", plain(text)).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(Unwritten(error).into()),
    }
}

/// Says `text` on standard error. Lost if nobody takes it: the exit code tells as well.
pub fn aside(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{}", plain(text));
}

/// `text` with its control characters written out, but for line ends and tabs: it may quote a file
/// that somebody else wrote, and must not steer a terminal.
pub fn plain(text: impl Display) -> String {
    let mut shown = String::new();
    for c in text.to_string().chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// Whether whoever read what is written has gone.
pub(crate) fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

/// `error` and its causes, joined by colons. A cause whose text the message before it already
/// holds is not said again.
pub fn in_full(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| {
        match (said.is_empty(), said.contains(&cause)) {
            (true, _) => cause,
            (false, true) => said,
            (false, false) => format!("{said}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{in_full, plain};
    use anyhow::anyhow;

    /// Found by the fuzz targets of a checkpoint's files: a key's escape codes reached the terminal.
    #[test]
    fn what_is_said_steers_no_terminal() {
        let key = "a\u{1b}[2Jb\r\u{7f}: unknown key\n\tÖ";
        assert_eq!(plain(key), "a\\u{1b}[2Jb\\r\\u{7f}: unknown key\n\tÖ");
    }

    #[test]
    fn no_cause_is_said_twice() {
        let cause = anyhow!("no such file").context("a.json: no such file").context("cannot load");
        assert_eq!(in_full(&cause), "cannot load: a.json: no such file");
    }
}
