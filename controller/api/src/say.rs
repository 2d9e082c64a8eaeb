//! A program's last words: its result, for people or as JSON, or its error.

use serde::Serialize;
use std::fmt::Display;

/// Prints `value` in words, or as one JSON object.
pub fn print<T: Serialize + Display>(json: bool, value: &T) -> anyhow::Result<()> {
    let text = if json { serde_json::to_string(value)? } else { value.to_string() };
    println!("{text}");
    Ok(())
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
    use super::in_full;
    use anyhow::anyhow;

    #[test]
    fn no_cause_is_said_twice() {
        let cause = anyhow!("no such file").context("a.json: no such file").context("cannot load");
        assert_eq!(in_full(&cause), "cannot load: a.json: no such file");
    }
}
