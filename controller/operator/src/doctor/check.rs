//! What a check found, and how all of them are told: a line each as they come, or one JSON object at
//! the end. Nothing is looked at here.

use jaco_shell::say;
use serde::Serialize;

/// Columns for the state and for the name of a check.
const STATE_COLUMNS: usize = 8;
const NAME_COLUMNS: usize = 16;
/// Columns of a line.
const COLUMNS: usize = 100;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Worth knowing; it works nevertheless.
    Warn,
    /// Something will not work.
    Fail,
    /// Not looked at, for the reason given.
    Skipped,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
            State::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it; none where there is nothing to do.
    pub remedy: Option<String>,
}

impl Check {
    /// It is as it should be.
    pub fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Ok, found: found.into(), remedy: None }
    }

    /// It works, and could be better.
    pub fn warn(
        name: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { name: name.into(), state: State::Warn, found: found.into(), remedy }
    }

    /// It will not work.
    pub fn fail(
        name: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { name: name.into(), state: State::Fail, found: found.into(), remedy }
    }

    /// It was not looked at: `why`.
    pub fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Skipped, found: why.into(), remedy: None }
    }

    fn in_words(&self) -> String {
        let (state, name) = (self.state.word(), &self.name);
        let line = format!("{state:<STATE_COLUMNS$}{name:<NAME_COLUMNS$}");
        // A long name must not run into what was found.
        let gap = if line.ends_with(' ') { "" } else { " " };
        let mut text = format!("{line}{gap}{}", wrapped(&self.found, STATE_COLUMNS + NAME_COLUMNS));
        if let Some(remedy) = &self.remedy {
            let arrow = format!("\n{:STATE_COLUMNS$}-> ", "");
            text += &arrow;
            text += &wrapped(remedy, arrow.len() - 1);
        }
        text
    }
}

/// `text` broken between words, its lines but the first behind `margin` columns.
fn wrapped(text: &str, margin: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let mut broken = String::new();
        for word in line.split(' ') {
            let columns = broken.chars().count() + 1 + word.chars().count();
            if !broken.is_empty() && margin + columns > COLUMNS {
                lines.push(std::mem::take(&mut broken));
            }
            if !broken.is_empty() {
                broken.push(' ');
            }
            broken += word;
        }
        lines.push(broken);
    }
    lines.join(&format!("\n{:margin$}", ""))
}

/// What `jaco doctor --json` prints.
#[derive(Debug, Serialize)]
struct Whole<'a> {
    checks: &'a [Check],
    failed: usize,
    warned: usize,
}

/// All checks so far.
#[derive(Debug)]
pub struct Report {
    json: bool,
    checks: Vec<Check>,
}

impl Report {
    /// Of no check yet.
    pub fn new(json: bool) -> Self {
        Self { json, checks: Vec::new() }
    }

    /// Tells one more.
    ///
    /// # Errors
    /// Standard output takes nothing.
    pub fn add(&mut self, check: Check) -> anyhow::Result<()> {
        if !self.json {
            say::line(check.in_words())?;
        }
        self.checks.push(check);
        Ok(())
    }

    /// Tells the end. True when no check failed.
    ///
    /// # Errors
    /// Standard output takes nothing.
    pub fn end(self) -> anyhow::Result<bool> {
        let count = |state: State| self.checks.iter().filter(|check| check.state == state).count();
        let (failed, warned, skipped) =
            (count(State::Fail), count(State::Warn), count(State::Skipped));
        match self.json {
            true => say::object(&Whole { checks: &self.checks, failed, warned })?,
            false => {
                let all = self.checks.len();
                say::line(format_args!(
                    "{all} checks: {failed} failed, {warned} to know of, {skipped} skipped"
                ))?;
            }
        }
        Ok(failed == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aligned_and_say_what_to_do_only_where_something_is_wrong() {
        let ok = Check::ok("disk", "12 GB free").in_words();
        assert_eq!(ok, "ok      disk            12 GB free");
        let fail = Check::fail("a-very-long-name-of-a-check", "one\ntwo", "do it").in_words();
        assert_eq!(
            fail,
            "FAIL    a-very-long-name-of-a-check one\n                        two\n        -> do it"
        );
        let long = Check::ok("limits", "0123456789 ".repeat(8)).in_words();
        assert_eq!(long.lines().count(), 2, "{long}");
        assert!(long.lines().all(|line| line.len() <= COLUMNS), "{long}");
    }
}
