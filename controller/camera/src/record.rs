//! What is known of a camera, as a value: what its thread told last, and what follows from that
//! at a given time. Pure: every method is handed the time.
//!
//! The thread's word is not enough, because a driver call may never return. So silence is judged
//! by whoever reads: a camera that gave nothing for longer than its patience has a fault, from
//! the moment on at which the patience ended, whether or not its thread knows.

use std::time::Duration;

/// How long opening a camera and its first picture may take before that is a fault: setting up a
/// USB camera and its exposure takes a second, now and then two.
pub(crate) const FIRST_PICTURE: Duration = Duration::from_secs(3);

/// What a camera's thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Opening,
    Reading,
    /// It failed, and waits before it is opened again.
    Pausing,
}

/// Something wrong, and since when \[ns\].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    text: String,
    since_ns: u64,
}

/// How a camera is at the moment of asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CameraHealth {
    /// What is wrong with it, in words. None also while it is opened for the first time: then
    /// there is no picture in its slot either.
    pub fault: Option<String>,
    /// When that began, monotonic \[ns\].
    pub fault_since_ns: Option<u64>,
    /// When its newest picture arrived here, monotonic \[ns\].
    pub arrived_ns: Option<u64>,
    /// Pictures it gave so far.
    pub frames: u64,
    /// Buffers that held no picture, or not all of one.
    pub dropped: u64,
    /// How often it was opened again.
    pub reopened: u64,
}

/// A change of health that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// There is a fault, or another than before.
    Fault(String),
    /// There is none any more.
    Well,
}

/// All that is known of a camera.
#[derive(Debug)]
pub(crate) struct Record {
    doing: Doing,
    /// When the silence began that is judged now \[ns\].
    silent_since_ns: u64,
    /// Silence from which there is a fault \[ns\].
    patience_ns: u64,
    /// What the thread told; gone with the next picture.
    fault: Option<Fault>,
    arrived_ns: Option<u64>,
    frames: u64,
    dropped: u64,
    openings: u64,
    /// The fault that was last written to the log.
    logged: Option<String>,
}

impl Record {
    pub(crate) fn new(now_ns: u64) -> Self {
        Self {
            doing: Doing::Opening,
            silent_since_ns: now_ns,
            patience_ns: nanoseconds(FIRST_PICTURE),
            fault: None,
            arrived_ns: None,
            frames: 0,
            dropped: 0,
            openings: 0,
            logged: None,
        }
    }

    /// The thread opens the camera.
    pub(crate) fn opening(&mut self, now_ns: u64) {
        self.doing = Doing::Opening;
        self.silent_since_ns = now_ns;
        self.patience_ns = nanoseconds(FIRST_PICTURE);
    }

    /// The camera is open. Its first picture may still take a while.
    pub(crate) fn opened(&mut self) {
        self.doing = Doing::Reading;
        self.openings += 1;
    }

    /// A picture came; the next one is due within `patience`. Returns how many came so far.
    pub(crate) fn picture(&mut self, now_ns: u64, patience: Duration) -> u64 {
        self.silent_since_ns = now_ns;
        self.patience_ns = nanoseconds(patience);
        self.fault = None;
        self.arrived_ns = Some(now_ns);
        self.frames += 1;
        self.frames
    }

    /// A buffer was dropped. Returns how many were so far.
    pub(crate) fn dropped(&mut self) -> u64 {
        self.dropped += 1;
        self.dropped
    }

    /// The camera failed.
    pub(crate) fn failed(&mut self, now_ns: u64, text: String) {
        // A fault that lasts began when it first was one: the silence before a failure may have
        // been one already, and trying in vain makes it no younger.
        let since_ns = self.fault_at(now_ns).map_or(now_ns, |fault| fault.since_ns);
        self.fault = Some(Fault { text, since_ns });
        self.doing = Doing::Pausing;
    }

    fn fault_at(&self, now_ns: u64) -> Option<Fault> {
        let silence_ns = now_ns.saturating_sub(self.silent_since_ns);
        let text = match self.doing {
            _ if silence_ns <= self.patience_ns => None,
            Doing::Opening => Some("does not answer: opening it takes more than"),
            // Opened after a fault, and silent still: what was told then stands.
            Doing::Reading if self.fault.is_none() => Some("has given no whole picture for"),
            Doing::Reading | Doing::Pausing => None,
        };
        let Some(text) = text else { return self.fault.clone() };
        let text = format!("{text} {} ms", self.patience_ns / 1_000_000);
        let told_ns = self.fault.as_ref().map(|fault| fault.since_ns);
        Some(Fault { text, since_ns: told_ns.unwrap_or(self.silent_since_ns + self.patience_ns) })
    }

    /// How the camera is at `now_ns`.
    pub(crate) fn health(&self, now_ns: u64) -> CameraHealth {
        let (fault, fault_since_ns) = match self.fault_at(now_ns) {
            Some(Fault { text, since_ns }) => (Some(text), Some(since_ns)),
            None => (None, None),
        };
        CameraHealth {
            fault,
            fault_since_ns,
            arrived_ns: self.arrived_ns,
            frames: self.frames,
            dropped: self.dropped,
            reopened: self.openings.saturating_sub(1),
        }
    }

    /// What is to be logged at `now_ns`; each change once.
    pub(crate) fn change(&mut self, now_ns: u64) -> Option<Change> {
        let fault = self.fault_at(now_ns).map(|fault| fault.text);
        if fault == self.logged {
            return None;
        }
        self.logged = fault.clone();
        Some(fault.map_or(Change::Well, Change::Fault))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;
    const PATIENCE: Duration = Duration::from_millis(280);

    fn reading() -> Record {
        let mut record = Record::new(0);
        record.opening(0);
        record.opened();
        record.picture(1000 * MS, PATIENCE);
        record
    }

    #[test]
    fn a_thread_that_never_comes_back_has_a_fault_from_the_end_of_the_patience_on() {
        let record = reading();
        assert_eq!(record.health(1280 * MS).fault, None);
        for now_ms in [1281, 5_000, 1_000_000] {
            let health = record.health(now_ms * MS);
            assert_eq!(health.fault.unwrap(), "has given no whole picture for 280 ms");
            assert_eq!(health.fault_since_ns, Some(1280 * MS));
        }
    }

    #[test]
    fn an_opening_that_never_ends_is_a_fault_but_a_slow_one_is_none() {
        let mut record = Record::new(0);
        record.opening(10 * MS);
        assert_eq!(record.health(2900 * MS).fault, None);
        let text = record.health(3011 * MS).fault.unwrap();
        assert_eq!(text, "does not answer: opening it takes more than 3000 ms");
        record.failed(4000 * MS, "is busy".to_owned());
        record.opening(5000 * MS);
        assert_eq!(record.health(6000 * MS).fault.unwrap(), "is busy");
        assert_eq!(record.health(9000 * MS).fault.unwrap(), text);
    }

    #[test]
    fn a_fault_lasts_from_the_silence_that_led_to_it_until_the_next_picture() {
        let mut record = reading();
        record.failed(1400 * MS, "is gone".to_owned());
        record.opening(1600 * MS);
        record.failed(1700 * MS, "is missing".to_owned());
        record.opening(3000 * MS);
        record.opened();
        let health = record.health(60_000 * MS);
        assert_eq!(health.fault.unwrap(), "is missing");
        assert_eq!((health.fault_since_ns, health.reopened), (Some(1280 * MS), 1));
        record.picture(60_001 * MS, PATIENCE);
        assert_eq!(record.health(60_002 * MS).fault, None);
    }

    #[test]
    fn each_change_is_told_once() {
        let mut record = reading();
        assert_eq!(record.change(1100 * MS), None);
        let silent = Change::Fault("has given no whole picture for 280 ms".to_owned());
        assert_eq!(record.change(1300 * MS), Some(silent));
        assert_eq!(record.change(1900 * MS), None);
        for attempt in 0..20 {
            let now_ns = (2000 + attempt * 1000) * MS;
            record.opening(now_ns);
            record.failed(now_ns, "is missing".to_owned());
            let told = (attempt == 0).then(|| Change::Fault("is missing".to_owned()));
            assert_eq!(record.change(now_ns + 999 * MS), told);
        }
        record.picture(30_000 * MS, PATIENCE);
        assert_eq!(record.change(30_000 * MS), Some(Change::Well));
        assert_eq!(record.change(30_001 * MS), None);
    }

    proptest! {
        /// Whatever happened before: so long after the last picture there is a fault, and it
        /// began no later than the patience after that picture.
        #[test]
        fn no_silence_is_overlooked(
            events in prop::collection::vec((0..4_u8, 0..1000_u64), 0..30),
            silence_ms in 281..100_000_u64,
        ) {
            let mut record = reading();
            let (mut now_ns, mut picture_ns) = (1000 * MS, 1000 * MS);
            for (event, pause_ms) in events {
                now_ns += pause_ms * MS;
                match event {
                    0 => record.opening(now_ns),
                    1 => record.opened(),
                    2 => record.failed(now_ns, "is gone".to_owned()),
                    _ => {
                        picture_ns = now_ns;
                        record.picture(now_ns, PATIENCE);
                    }
                }
            }
            record.opened();
            record.picture(picture_ns, PATIENCE);
            let health = record.health(picture_ns + silence_ms * MS);
            prop_assert!(health.fault.is_some());
            prop_assert!(health.fault_since_ns.unwrap() <= picture_ns + 280 * MS);
        }
    }
}
