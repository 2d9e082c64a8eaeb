//! One thing that is wrong with a dataset, and the list of them.

use std::fmt;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Usable, but not what one would expect.
    Warning,
    /// Wrong: training on it or appending to it would go wrong.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// One thing that is wrong with a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing it is: a word that stays the same, such as `frozen-image`.
    pub kind: &'static str,
    /// File, episode or column.
    pub place: String,
    /// The episode, if it is about one.
    pub episode: Option<usize>,
    /// The row within the episode, if it is about one: the first of those that the problem names.
    pub frame: Option<usize>,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.severity, self.place, self.problem)
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(pub Vec<Finding>);

impl Findings {
    /// Something about a file or about all of it.
    pub fn add(&mut self, severity: Severity, kind: &'static str, place: &str, problem: String) {
        let place = place.to_owned();
        self.0.push(Finding { severity, kind, place, episode: None, frame: None, problem });
    }

    pub fn error(&mut self, kind: &'static str, place: &str, problem: String) {
        self.add(Severity::Error, kind, place, problem);
    }

    pub fn warning(&mut self, kind: &'static str, place: &str, problem: String) {
        self.add(Severity::Warning, kind, place, problem);
    }

    /// Something about an episode, from `frame` on.
    pub fn of(
        &mut self,
        severity: Severity,
        kind: &'static str,
        (episode, frame): (usize, Option<usize>),
        problem: String,
    ) {
        let place = match frame {
            Some(frame) => format!("episode {episode}, frame {frame}"),
            None => format!("episode {episode}"),
        };
        let episode = Some(episode);
        self.0.push(Finding { severity, kind, place, episode, frame, problem });
    }
}

/// Runs of frames for which something holds.
pub(super) fn runs(holds: impl Iterator<Item = bool>) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (frame, _) in holds.enumerate().filter(|(_, holds)| *holds) {
        match runs.last_mut() {
            Some(run) if run.end == frame => run.end = frame + 1,
            _ => runs.push(frame..frame + 1),
        }
    }
    runs
}

/// `" (and in 3 frames after it)"`, as the continuation of a sentence about the first of a run.
pub(super) fn and_after(run: &std::ops::Range<usize>) -> String {
    match run.len() {
        0 | 1 => String::new(),
        n => format!(" (so until frame {}, {n} in all)", run.end - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_parted_where_it_does_not_hold() {
        let found = runs([true, true, false, true].into_iter());
        assert_eq!(found, [0..2, 3..4]);
        assert!(runs([false].into_iter()).is_empty());
    }
}
