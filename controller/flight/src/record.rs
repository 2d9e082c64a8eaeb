//! What is remembered: the servo's last 3000 statuses and what was told, sent and seen meanwhile.
//! The memory is bounded; what tells of it never waits.

use crate::ring::Ring;
use jaco_core::TICK_NS;
use jaco_servo::ServoStatus;
use std::sync::Arc;

/// What a record spans when nothing is missing \[ns\].
pub const SPAN_NS: u64 = 30_000_000_000;
/// Statuses in it.
pub const TICKS: usize = (SPAN_NS / TICK_NS) as usize;
/// Events in it: far more than happen in that time.
const EVENTS: usize = 512;
/// Streams of actions in it: one a step at most.
const STREAMS: usize = 512;
/// Frames in it: four cameras at 30 a second.
const FRAMES: usize = 4096;
/// Bytes of a text that are kept.
const MOST_TEXT: usize = 1000;

/// A status of the servo.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// Which servo process, counted from 1.
    pub process: u64,
    /// What it said.
    pub status: ServoStatus,
}

/// Something that the daemon told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// When, monotonic \[ns\].
    pub at_ns: u64,
    /// Which part it is about: "servo", "camera front", "run", ...
    pub part: String,
    /// What.
    pub what: What,
}

/// What was told.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A fault, or another one.
    Fault(String),
    /// There is none any more.
    Works,
    /// A stop was latched, a run failed: not well, and no fault of a part.
    Warning(String),
    /// All else.
    News(String),
}

impl Told {
    /// That `part` has told `what` at `at_ns`; a text that is too long is cut.
    pub fn new(at_ns: u64, part: &str, what: What) -> Self {
        let cut = |text: String| text[..text.floor_char_boundary(MOST_TEXT)].to_owned();
        let what = match what {
            What::Fault(text) => What::Fault(cut(text)),
            What::Works => What::Works,
            What::Warning(text) => What::Warning(cut(text)),
            What::News(text) => What::News(cut(text)),
        };
        Self { at_ns, part: cut(part.to_owned()), what }
    }
}

/// A stream of actions that went to the servo.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamSent {
    /// When, monotonic \[ns\].
    pub at_ns: u64,
    /// The run's id.
    pub run: Arc<str>,
    /// The policy's name.
    pub policy: Arc<str>,
    /// The step that it begins with.
    pub first_step: u64,
    /// Steps in it.
    pub steps: usize,
    /// Capture time of the frame that it comes from, monotonic \[ns\].
    pub from_frame_ns: u64,
}

/// A camera's newest frame.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameSeen {
    /// When it was seen, monotonic \[ns\].
    pub at_ns: u64,
    /// The camera's name.
    pub camera: Arc<str>,
    /// When it was captured, monotonic \[ns\].
    pub captured_ns: u64,
}

/// The recorder's memory.
#[derive(Debug)]
pub struct Record {
    /// The servo's statuses.
    pub ticks: Ring<Tick>,
    /// What the daemon told.
    pub told: Ring<Told>,
    /// The streams sent.
    pub streams: Ring<StreamSent>,
    /// The frames seen.
    pub frames: Ring<FrameSeen>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            ticks: Ring::new(TICKS),
            told: Ring::new(EVENTS),
            streams: Ring::new(STREAMS),
            frames: Ring::new(FRAMES),
        }
    }
}

impl Record {
    /// Becomes the same as `other`, in the memory it has.
    pub fn copy_from(&mut self, other: &Self) {
        self.ticks.copy_from(&other.ticks);
        self.told.copy_from(&other.told);
        self.streams.copy_from(&other.streams);
        self.frames.copy_from(&other.frames);
    }

    /// From when on a record written at `now_ns` tells: its oldest status, or 30 s ago when there
    /// is none as old.
    pub(crate) fn since_ns(&self, now_ns: u64) -> u64 {
        let oldest_ns = self.ticks.iter().next().map_or(u64::MAX, |tick| tick.status.sent_ns);
        oldest_ns.min(now_ns.saturating_sub(SPAN_NS))
    }
}
