//! What is known of a camera, as a value: what its thread told last, and what follows from that
//! at a given time. Pure: every method is handed the time.
//!
//! The thread's word is not enough, because a driver call may never return. So silence is judged
//! by whoever reads: a camera that gave nothing for longer than its patience has a fault, from
//! the moment on at which the patience ended, whether or not its thread knows.

use crate::error::BadBuffer;
use crate::fault::{Fault, FaultKind};
use crate::judge::{Judge, Limits, Seen};
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

/// How a camera is at the moment of asking.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CameraHealth {
    /// What is wrong with it, in words. None also while it is opened for the first time: then
    /// there is no picture in its slot either.
    pub fault: Option<String>,
    /// Of which kind that is.
    pub kind: Option<FaultKind>,
    /// When that was one first, monotonic \[ns\].
    pub fault_since_ns: Option<u64>,
    /// From when on its pictures are not to be trusted, or none came, monotonic \[ns\]: no later
    /// than `fault_since_ns`, for a fault is one only when it has lasted.
    pub onset_ns: Option<u64>,
    /// Mean brightness of its newest picture, 0 to 255.
    pub brightness: Option<f64>,
    /// Pictures a second, by their stamps; of the last ten or so.
    pub rate_hz: Option<f64>,
    /// Mean deviation of the time between two pictures from its mean \[ms\].
    pub jitter_ms: Option<f64>,
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
    /// What the pictures tell.
    judge: Judge,
    newest: Option<Seen>,
    rhythm: Option<Rhythm>,
    arrived_ns: Option<u64>,
    frames: u64,
    dropped: u64,
    openings: u64,
    /// The fault that was last written to the log.
    logged: Option<String>,
}

impl Record {
    pub(crate) fn new(now_ns: u64, limits: Limits) -> Self {
        Self {
            doing: Doing::Opening,
            silent_since_ns: now_ns,
            patience_ns: nanoseconds(FIRST_PICTURE),
            fault: None,
            judge: Judge::new(limits),
            newest: None,
            rhythm: None,
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
        self.rhythm = None;
    }

    /// A picture came; the next one is due within `patience`. Returns how many came so far.
    pub(crate) fn picture(&mut self, now_ns: u64, patience: Duration, seen: Seen) -> u64 {
        let before_ns = self.newest.map(|newest| newest.captured_ns);
        self.rhythm = Rhythm::after(self.rhythm, before_ns, seen.captured_ns);
        self.newest = Some(seen);
        self.judge.picture(now_ns, seen);
        self.silent_since_ns = now_ns;
        self.patience_ns = nanoseconds(patience);
        self.fault = None;
        self.arrived_ns = Some(now_ns);
        self.frames += 1;
        self.frames
    }

    /// A buffer was dropped. Returns how many were so far.
    pub(crate) fn dropped(&mut self, now_ns: u64, reason: &BadBuffer) -> u64 {
        self.judge.bad(now_ns, reason);
        self.dropped += 1;
        self.dropped
    }

    /// Whether its newest pictures are one and the same.
    pub(crate) fn is_frozen(&self, now_ns: u64) -> bool {
        self.judge.verdict(now_ns).is_some_and(|fault| fault.kind == FaultKind::Frozen)
    }

    /// The camera failed.
    pub(crate) fn failed(&mut self, now_ns: u64, kind: FaultKind, text: String) {
        // A fault that lasts began when it first was one: the silence before a failure may have
        // been one already, and trying in vain makes it no younger.
        let (since_ns, onset_ns) = match self.fault_at(now_ns) {
            Some(fault) => (fault.since_ns, fault.onset_ns),
            None => (now_ns, self.arrived_ns.unwrap_or(now_ns)),
        };
        self.fault = Some(Fault { kind, text, since_ns, onset_ns });
        self.doing = Doing::Pausing;
    }

    fn fault_at(&self, now_ns: u64) -> Option<Fault> {
        let standing = || self.fault.clone().or_else(|| self.judge.verdict(now_ns));
        let silence_ns = now_ns.saturating_sub(self.silent_since_ns);
        let text = match self.doing {
            _ if silence_ns <= self.patience_ns => return standing(),
            Doing::Opening => "does not answer: opening it takes more than",
            // Opened after a fault, or giving what is torn, and silent still: what was told then
            // stands.
            Doing::Reading if standing().is_none_or(|fault| is_of_pictures(fault.kind)) => {
                "has given no whole picture for"
            }
            Doing::Reading | Doing::Pausing => return standing(),
        };
        let text = format!("{text} {} ms", self.patience_ns / 1_000_000);
        let told = standing();
        let since_ns =
            told.as_ref().map_or(self.silent_since_ns + self.patience_ns, |told| told.since_ns);
        let onset_ns = told.map_or(self.silent_since_ns, |told| told.onset_ns);
        Some(Fault { kind: FaultKind::Stalled, text, since_ns, onset_ns })
    }

    /// How the camera is at `now_ns`.
    pub(crate) fn health(&self, now_ns: u64) -> CameraHealth {
        let fault = self.fault_at(now_ns);
        CameraHealth {
            kind: fault.as_ref().map(|fault| fault.kind),
            fault_since_ns: fault.as_ref().map(|fault| fault.since_ns),
            onset_ns: fault.as_ref().map(|fault| fault.onset_ns),
            fault: fault.map(|fault| fault.text),
            brightness: self.newest.map(|newest| newest.brightness),
            rate_hz: self.rhythm.map(Rhythm::rate_hz),
            jitter_ms: self.rhythm.map(|rhythm| rhythm.deviation_s * 1e3),
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

/// Whether pictures tell of it, and silence is another matter.
fn is_of_pictures(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Frozen | FaultKind::Dark | FaultKind::Late)
}

/// How evenly pictures are taken.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    period_s: f64,
    deviation_s: f64,
}

impl Rhythm {
    /// Weight of the newest interval.
    const NEWEST: f64 = 0.1;

    fn after(before: Option<Self>, before_ns: Option<u64>, captured_ns: u64) -> Option<Self> {
        let interval_s = captured_ns.saturating_sub(before_ns?) as f64 * 1e-9;
        let Some(Self { period_s, deviation_s }) = before else {
            return Some(Self { period_s: interval_s, deviation_s: 0.0 });
        };
        let toward = |old: f64, new: f64| old + Self::NEWEST * (new - old);
        let deviation_s = toward(deviation_s, (interval_s - period_s).abs());
        Some(Self { period_s: toward(period_s, interval_s), deviation_s })
    }

    fn rate_hz(self) -> f64 {
        if self.period_s > 0.0 { 1.0 / self.period_s } else { 0.0 }
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
    const LIMITS: Limits = Limits { late_ns: 250 * MS, dark_below: 8.0 };

    /// A good picture that came at `now_ns`.
    fn good(now_ns: u64) -> Seen {
        Seen { captured_ns: now_ns, signature: Some(now_ns), brightness: 100.0 }
    }

    fn reading() -> Record {
        let mut record = Record::new(0, LIMITS);
        record.opening(0);
        record.opened();
        record.picture(1000 * MS, PATIENCE, good(1000 * MS));
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
        let mut record = Record::new(0, LIMITS);
        record.opening(10 * MS);
        assert_eq!(record.health(2900 * MS).fault, None);
        let text = record.health(3011 * MS).fault.unwrap();
        assert_eq!(text, "does not answer: opening it takes more than 3000 ms");
        record.failed(4000 * MS, FaultKind::Gone, "is busy".to_owned());
        record.opening(5000 * MS);
        assert_eq!(record.health(6000 * MS).fault.unwrap(), "is busy");
        assert_eq!(record.health(9000 * MS).fault.unwrap(), text);
    }

    #[test]
    fn a_fault_lasts_from_the_silence_that_led_to_it_until_the_next_picture() {
        let mut record = reading();
        record.failed(1400 * MS, FaultKind::Gone, "is gone".to_owned());
        record.opening(1600 * MS);
        record.failed(1700 * MS, FaultKind::Gone, "is missing".to_owned());
        record.opening(3000 * MS);
        record.opened();
        let health = record.health(60_000 * MS);
        assert_eq!(health.fault.unwrap(), "is missing");
        assert_eq!((health.fault_since_ns, health.reopened), (Some(1280 * MS), 1));
        record.picture(60_001 * MS, PATIENCE, good(60_001 * MS));
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
            record.failed(now_ns, FaultKind::Gone, "is missing".to_owned());
            let told = (attempt == 0).then(|| Change::Fault("is missing".to_owned()));
            assert_eq!(record.change(now_ns + 999 * MS), told);
        }
        record.picture(30_000 * MS, PATIENCE, good(30_000 * MS));
        assert_eq!(record.change(30_000 * MS), Some(Change::Well));
        assert_eq!(record.change(30_001 * MS), None);
    }

    #[test]
    fn a_stream_of_torn_buffers_is_told_as_such_though_no_picture_comes() {
        let mut record = reading();
        for now_ms in [1100, 1200, 1300] {
            record.dropped(now_ms * MS, &BadBuffer::CutJpeg);
        }
        let health = record.health(1300 * MS);
        assert_eq!(health.kind, Some(FaultKind::Torn));
        assert_eq!(health.fault_since_ns, Some(1300 * MS));
        let stalled = record.health(1900 * MS);
        assert_eq!(
            (stalled.kind, stalled.fault_since_ns),
            (Some(FaultKind::Stalled), Some(1280 * MS))
        );
    }

    #[test]
    fn a_frozen_camera_that_is_opened_again_is_frozen_until_another_picture_comes() {
        let mut record = reading();
        let frozen = |now_ns| Seen { signature: Some(7), ..good(now_ns) };
        for now_ms in [1100, 1200, 1300] {
            record.picture(now_ms * MS, PATIENCE, frozen(now_ms * MS));
        }
        assert!(record.is_frozen(1300 * MS));
        record.failed(1400 * MS, FaultKind::Frozen, "is frozen".to_owned());
        record.opening(1500 * MS);
        record.opened();
        record.picture(1600 * MS, PATIENCE, frozen(1600 * MS));
        let health = record.health(1600 * MS);
        assert_eq!((health.kind, health.onset_ns), (Some(FaultKind::Frozen), Some(1100 * MS)));
        record.picture(1700 * MS, PATIENCE, good(1700 * MS));
        assert_eq!(record.health(1700 * MS).kind, None);
    }

    #[test]
    fn rate_and_jitter_are_those_of_the_stamps() {
        let mut record = reading();
        for index in 1..100 {
            let late_ms = 10 * (index % 2);
            let now_ns = (1000 + 50 * index + late_ms) * MS;
            record.picture(now_ns, PATIENCE, good(now_ns));
        }
        let health = record.health(6000 * MS);
        assert!((health.rate_hz.unwrap() - 20.0).abs() < 1.0, "{health:?}");
        assert!((health.jitter_ms.unwrap() - 10.0).abs() < 1.0, "{health:?}");
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
                    2 => record.failed(now_ns, FaultKind::Gone, "is gone".to_owned()),
                    _ => {
                        picture_ns = now_ns;
                        record.picture(now_ns, PATIENCE, good(now_ns));
                    }
                }
            }
            record.opened();
            record.picture(picture_ns, PATIENCE, good(picture_ns));
            let health = record.health(picture_ns + silence_ms * MS);
            prop_assert!(health.fault.is_some());
            prop_assert!(health.fault_since_ns.unwrap() <= picture_ns + 280 * MS);
        }
    }
}
