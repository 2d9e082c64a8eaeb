//! What happened, in words: the daemon's events, and what the servo's statuses tell between them.

use crate::record::{Record, Tick, Told, What};
use jaco_servo::{Mode, ServoStatus};

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, monotonic \[ns\].
    pub at_ns: u64,
    /// How grave: Foxglove's levels.
    pub level: u8,
    /// Which part it is about.
    pub part: String,
    /// What.
    pub text: String,
}

const INFO: u8 = 2;
const WARNING: u8 = 3;
const ERROR: u8 = 4;

/// The line for what the daemon told.
pub fn told(told: &Told) -> Line {
    let (level, text) = match &told.what {
        What::Fault(fault) => (ERROR, fault.clone()),
        What::Works => (INFO, "works".to_owned()),
        What::Warning(text) => (WARNING, text.clone()),
        What::News(text) => (INFO, text.clone()),
    };
    Line { at_ns: told.at_ns, level, part: told.part.clone(), text }
}

/// What the statuses tell: modes entered, stops, conditions that came and went, the servo's words.
pub fn of_statuses(record: &Record) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut before: Option<&Tick> = None;
    for tick in record.ticks.iter() {
        let mut say = |level, part: &str, text: String| {
            let (at_ns, part) = (tick.status.sent_ns, part.to_owned());
            lines.push(Line { at_ns, level, part, text });
        };
        let same = before.filter(|before| before.process == tick.process);
        if before.is_some() && same.is_none() {
            say(WARNING, "servo", "another servo process answers".to_owned());
        }
        compare(same.map(|tick| &tick.status), &tick.status, &mut say);
        before = Some(tick);
    }
    lines
}

fn compare(
    before: Option<&ServoStatus>,
    now: &ServoStatus,
    say: &mut impl FnMut(u8, &str, String),
) {
    let (old, new) = (before.map(|before| before.report), now.report);
    if old.map(|old| old.mode) != Some(new.mode) {
        match new.stop_reason.filter(|_| new.mode == Mode::Stopped) {
            Some(reason) => say(WARNING, "servo", format!("stopped: {reason}")),
            None if new.mode == Mode::Idle => {
                say(INFO, "servo", format!("holds: {}", new.hold_reason));
            }
            None => say(INFO, "servo", format!("mode {}", new.mode)),
        }
    }
    let conditions = before.map(|before| before.conditions).unwrap_or_default();
    for condition in now.conditions.iter().filter(|condition| !conditions.holds(*condition)) {
        say(ERROR, "arm", condition.to_string());
    }
    for condition in conditions.iter().filter(|condition| !now.conditions.holds(*condition)) {
        say(INFO, "arm", format!("no longer: {condition}"));
    }
    if before.is_some_and(|before| before.note != now.note) && !now.note.is_empty() {
        say(WARNING, "servo", now.note.to_string());
    }
}
