//! When a record is written. Pure: the time is passed in.
//!
//! A fault is written a second after it appeared, so that the file shows what followed. Faults of
//! that second, and those that come within five seconds of the last file, share one file. A kind
//! of fault that comes again and again is written the first, second, fourth, eighth time and so
//! on, so that it cannot push out the files of others; after ten quiet minutes it counts anew.

use jaco_core::Word;

/// What follows a fault and belongs to its record \[ns\].
const AFTERMATH_NS: u64 = 1_000_000_000;
/// Least time between two files \[ns\]; well below what one spans, so nothing is lost.
const LEAST_BETWEEN_NS: u64 = 5_000_000_000;
/// A kind that was not seen for so long is new again \[ns\].
const FORGOTTEN_NS: u64 = 600_000_000_000;

/// Kinds of reason for writing a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The servo process was lost.
    ServoLost,
    /// The servo stopped by itself.
    ServoStopped,
    /// The servo held by itself: nobody commanded it, or the arm could not be read.
    ServoHeld,
    /// The arm has a fault.
    ArmFault,
    /// A run ended by a fault.
    RunFailed,
    /// Somebody asked.
    Asked,
}

/// The words that files are named by.
impl Word for Kind {
    const ALL: &'static [Self] = &[
        Kind::ServoLost,
        Kind::ServoStopped,
        Kind::ServoHeld,
        Kind::ArmFault,
        Kind::RunFailed,
        Kind::Asked,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::ServoLost => "servo-lost",
            Kind::ServoStopped => "servo-stopped",
            Kind::ServoHeld => "servo-held",
            Kind::ArmFault => "arm-fault",
            Kind::RunFailed => "run-failed",
            Kind::Asked => "asked",
        }
    }
}

/// Why a record is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The kind.
    pub kind: Kind,
    /// In words.
    pub why: String,
}

/// A cause whose record is not written yet.
#[derive(Debug)]
struct Pending {
    cause: Cause,
    due_ns: u64,
}

/// How often a kind came.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    times: u64,
    last_ns: u64,
}

/// Decides when to write.
#[derive(Debug, Default)]
pub struct Triggers {
    pending: Option<Pending>,
    written_ns: Option<u64>,
    seen: [Seen; Kind::ALL.len()],
}

impl Triggers {
    /// A fault of this `kind` appeared. One that another's record will hold too is told there.
    pub fn fault(&mut self, now_ns: u64, kind: Kind, why: String) {
        let seen = &mut self.seen[kind as usize];
        if now_ns.saturating_sub(seen.last_ns) > FORGOTTEN_NS {
            seen.times = 0;
        }
        *seen = Seen { times: seen.times + 1, last_ns: now_ns };
        let news = seen.times.is_power_of_two();
        match &mut self.pending {
            // A run fails because of what went wrong with the arm or its process.
            Some(Pending { cause, .. }) if cause.kind == Kind::RunFailed => {
                *cause = Cause { kind, why };
                return;
            }
            Some(_) => return,
            None if !news => return,
            None => {}
        }
        let earliest_ns = self.written_ns.map_or(0, |at_ns| at_ns + LEAST_BETWEEN_NS);
        let due_ns = (now_ns + AFTERMATH_NS).max(earliest_ns);
        self.pending = Some(Pending { cause: Cause { kind, why }, due_ns });
    }

    /// The reason of a fault of this `kind` whose record is not written yet has become known.
    pub fn explain(&mut self, kind: Kind, why: String) {
        if let Some(pending) = self.pending.as_mut().filter(|pending| pending.cause.kind == kind) {
            pending.cause.why = why;
        }
    }

    /// When a record is due, monotonic \[ns\].
    pub fn due_ns(&self) -> Option<u64> {
        self.pending.as_ref().map(|pending| pending.due_ns)
    }

    /// What a record is to be written for now.
    pub fn take_due(&mut self, now_ns: u64) -> Option<Cause> {
        self.due_ns().filter(|due_ns| now_ns >= *due_ns)?;
        self.take(now_ns)
    }

    /// What a record is still to be written for, due or not: no more time is left.
    pub fn take(&mut self, now_ns: u64) -> Option<Cause> {
        let cause = self.pending.take()?.cause;
        self.written_ns = Some(now_ns);
        Some(cause)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_fault_is_written_with_its_aftermath_and_what_came_meanwhile() {
        let mut triggers = Triggers::default();
        triggers.fault(10 * SECOND, Kind::ServoLost, "the servo has ended".to_owned());
        triggers.fault(10 * SECOND + 5, Kind::RunFailed, "the arm's process was lost".to_owned());
        triggers.explain(Kind::ServoLost, "killed".to_owned());
        triggers.explain(Kind::ArmFault, "of another".to_owned());
        assert_eq!(triggers.take_due(11 * SECOND - 1), None);
        let cause = triggers.take_due(11 * SECOND).unwrap();
        assert_eq!(cause, Cause { kind: Kind::ServoLost, why: "killed".to_owned() });
        assert_eq!((triggers.due_ns(), triggers.take_due(60 * SECOND)), (None, None));
    }

    #[test]
    fn a_kind_that_comes_for_ever_is_written_ever_more_rarely_and_is_new_after_a_while() {
        let mut triggers = Triggers::default();
        let mut now_ns = SECOND;
        let mut written = Vec::new();
        for time in 1..=100 {
            triggers.fault(now_ns, Kind::ServoLost, String::new());
            now_ns += 10 * SECOND;
            written.extend(triggers.take_due(now_ns).map(|_| time));
        }
        assert_eq!(written, [1, 2, 4, 8, 16, 32, 64]);
        triggers.fault(now_ns, Kind::ServoStopped, String::new());
        assert!(triggers.take_due(now_ns + SECOND).is_some(), "another kind is news");
        now_ns += FORGOTTEN_NS + SECOND;
        triggers.fault(now_ns, Kind::ServoLost, String::new());
        assert!(triggers.take_due(now_ns + SECOND).is_some(), "new after ten minutes");
    }

    /// A servo was killed in a run, and the record was named after the run that failed by it.
    #[test]
    fn a_record_is_named_after_what_the_run_failed_by() {
        let mut triggers = Triggers::default();
        triggers.fault(SECOND, Kind::RunFailed, "the arm's process was lost".to_owned());
        triggers.fault(SECOND + 1, Kind::ServoLost, "killed".to_owned());
        triggers.fault(SECOND + 2, Kind::ServoHeld, "not this".to_owned());
        let cause = triggers.take_due(2 * SECOND).unwrap();
        assert_eq!(cause, Cause { kind: Kind::ServoLost, why: "killed".to_owned() });
    }

    proptest! {
        #[test]
        fn a_storm_writes_a_file_in_five_seconds_at_most_and_each_first_fault_is_in_one(
            faults in prop::collection::vec((0_u64..3 * SECOND, 0_usize..5), 1..200),
        ) {
            let mut triggers = Triggers::default();
            let (mut now_ns, mut files, mut first) = (SECOND, Vec::new(), [None; 5]);
            for (pause_ns, kind) in faults {
                now_ns += pause_ns;
                if triggers.take_due(now_ns).is_some() {
                    files.push(now_ns);
                }
                triggers.fault(now_ns, Kind::ALL[kind], String::new());
                first[kind].get_or_insert(now_ns);
            }
            if let Some(due_ns) = triggers.due_ns() {
                prop_assert!(triggers.take_due(due_ns).is_some());
                files.push(due_ns);
            }
            prop_assert!(files.windows(2).all(|pair| pair[1] - pair[0] >= LEAST_BETWEEN_NS));
            for fault_ns in first.into_iter().flatten() {
                let held = |file_ns: &u64| {
                    *file_ns > fault_ns && *file_ns - fault_ns < crate::SPAN_NS
                };
                prop_assert!(files.iter().any(held), "{} is in none of {:?}", fault_ns, files);
            }
        }
    }
}
