//! The recording side of a session: the course of its episodes, what is known of the one that runs,
//! and what the writer answers. It never waits for the writer.

use super::flow::{Act, Flow};
use super::plan::Recorder;
use super::sampler::Sample;
use super::store::{Answer, Store};
use super::tally::Tally;
use jaco_api::{KeptEpisode, Label, Phase, SessionEvent, SessionProgress};
use jaco_core::STEP_NS;
use std::collections::VecDeque;

/// What is still to be written when the arm holds already.
#[derive(Default)]
pub struct Rest {
    /// The recording; none where nothing is recorded.
    pub taping: Option<Taping>,
}

impl Rest {
    /// Waits until it is written. Returns how many episodes were kept and discarded, and what failed.
    pub fn finish(self, tell: &dyn Fn(SessionEvent)) -> (u32, u32, Option<String>) {
        let Some(mut taping) = self.taping else { return (0, 0, None) };
        let store = taping.recorder.store.take();
        for answer in store.map(Store::finish).unwrap_or_default() {
            taping.on_answer(answer, tell);
        }
        (taping.kept, taping.flow.counts().1, taping.failed)
    }
}

/// The recording side of a session.
pub struct Taping {
    /// What is recorded, and where.
    pub recorder: Recorder,
    /// The course of its episodes.
    pub flow: Flow,
    tally: Tally,
    /// Steps from before an episode, the newest last.
    pre_roll: VecDeque<Sample>,
    /// What is told of the episodes that are being kept.
    keeping: VecDeque<(Tally, Option<Label>)>,
    /// Episodes that are durable.
    kept: u32,
    /// What failed last.
    failed: Option<String>,
    /// Size of a step, as far as it is known \[bytes\].
    step_bytes: Option<u64>,
}

impl Taping {
    /// A recording that is ready for its first episode.
    pub fn new(recorder: Recorder, now_ns: u64) -> Self {
        Self {
            flow: Flow::new(recorder.course, now_ns),
            recorder,
            tally: Tally::default(),
            pre_roll: VecDeque::new(),
            keeping: VecDeque::new(),
            kept: 0,
            failed: None,
            step_bytes: None,
        }
    }

    /// Whether the episode that runs has no step yet.
    pub fn is_empty(&self) -> bool {
        self.tally.steps == 0
    }

    /// Takes in the step that ended, if one did.
    pub fn take(&mut self, sample: Option<Sample>, missed: u64) {
        let recording = self.flow.phase() == Phase::Recording;
        if recording {
            self.tally.lost += missed;
        }
        let Some(sample) = sample else { return };
        if recording {
            self.write(sample);
        } else if self.flow.phase() != Phase::Deciding {
            self.pre_roll.push_back(sample);
            while self.pre_roll.len() as u64 > self.recorder.pre_roll_steps {
                self.pre_roll.pop_front();
            }
        }
    }

    fn write(&mut self, sample: Sample) {
        let Some(store) = &self.recorder.store else { return };
        let stale = self.recorder.is_stale(&sample);
        let Some(record) = self.recorder.record(&sample, self.tally.steps) else {
            self.tally.lost += 1;
            return;
        };
        if store.step(record) {
            self.tally.take(&sample, stale);
        } else {
            self.tally.lost += 1;
        }
    }

    /// Begins an episode, with what came just before it.
    pub fn begin(&mut self) {
        self.tally = Tally::default();
        if let Some(store) = &self.recorder.store {
            store.begin(&self.recorder.task, self.recorder.notes.clone());
        }
        for sample in std::mem::take(&mut self.pre_roll) {
            self.write(sample);
        }
    }

    /// Keeps the episode.
    pub fn keep(&mut self, label: Option<Label>, interrupted: Option<String>) {
        let Some(store) = &self.recorder.store else { return };
        let tally = std::mem::take(&mut self.tally);
        if tally.steps == 0 {
            store.discard();
            return;
        }
        let mut notes = self.recorder.notes.clone();
        let mut note = |key: &str, value: serde_json::Value| {
            notes.insert(key.to_owned(), value);
        };
        if let Some(label) = label {
            note("success", (label == Label::Success).into());
        }
        if let Some(why) = interrupted {
            note("interrupted", why.into());
        }
        tally.note(&mut notes);
        store.keep(notes);
        self.keeping.push_back((tally, label));
    }

    /// Forgets the episode.
    pub fn discard(&mut self) {
        self.tally = Tally::default();
        if let Some(store) = &self.recorder.store {
            store.discard();
        }
    }

    /// Labels the episode that was kept last.
    pub fn label_last(&mut self, label: Label) {
        if let Some(store) = &self.recorder.store {
            store.label_last(label);
        }
    }

    /// Ends recording before the disk is full.
    pub fn disk_is_full(&mut self) -> Vec<Act> {
        self.recorder.disk_is_full().map_or_else(Vec::new, |why| self.flow.end(&why, false))
    }

    /// Takes in what the writer answers.
    pub fn on_answer(&mut self, answer: Answer, tell: &dyn Fn(SessionEvent)) {
        match answer {
            Answer::Begun(episode) => tell(SessionEvent::Recording { episode }),
            Answer::Kept { episode, steps, bytes, took_ns } => {
                self.step_bytes = bytes.checked_div(steps);
                self.kept += 1;
                let (tally, label) = self.keeping.pop_front().unwrap_or_default();
                tell(SessionEvent::Kept(KeptEpisode {
                    episode,
                    steps,
                    label,
                    achieved_hz: tally.achieved_hz().unwrap_or(0.0),
                    late_steps: tally.late,
                    stale_steps: tally.stale,
                    lost_steps: tally.lost,
                    keep_ms: took_ns as f64 * 1e-6,
                    doubts: tally.doubts(),
                }));
            }
            Answer::Discarded(steps) => tell(SessionEvent::Discarded { steps }),
            Answer::Labelled(episode, label) => {
                let word = jaco_core::Word::name(label);
                let what = format!("episode {episode} is labelled as {word}");
                tell(SessionEvent::Told { what });
            }
            Answer::Failed(what) => {
                self.failed = Some(what.clone());
                tell(SessionEvent::Told { what });
            }
        }
    }

    /// Adds what is recorded to how the session goes.
    pub fn progress(&self, now_ns: u64, progress: &mut SessionProgress) {
        progress.phase = self.flow.phase();
        progress.kept = self.flow.counts().0;
        progress.wanted = self.recorder.course.wanted;
        progress.steps = self.tally.steps;
        progress.achieved_hz = self.tally.achieved_hz().unwrap_or(0.0);
        progress.flagged = self.tally.flagged();
        progress.left_s = self.flow.left_ns(now_ns).map(|left_ns| left_ns as f64 * 1e-9);
        let Some(store) = &self.recorder.store else { return };
        let free = store.free_bytes();
        progress.disk_left_gib = Some(free as f64 / f64::from(1 << 30));
        progress.room_min = self.step_bytes.filter(|bytes| *bytes > 0).map(|bytes| {
            let room = free.saturating_sub(self.recorder.least_free_bytes);
            let steps_per_min = 60_000_000_000 / STEP_NS;
            room as f64 / (bytes * steps_per_min) as f64
        });
    }
}
