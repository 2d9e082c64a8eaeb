//! A run, recorded: a row for each step, whoever drove it, with the policy's own proposal beside
//! what a person did instead.

use crate::session::plan::{Recorder, record};
use crate::session::sampler::Sampler;
use crate::session::store::Answer;
use crate::session::tally::Tally;
use jaco_camera::CameraHandle;
use jaco_core::{Action, Verdict};
use jaco_servo::ServoStatus;

/// What the policy would have done in the steps to come, from the step of this number on.
#[derive(Clone, Debug, Default)]
pub struct Proposals {
    /// The row that the first of them is for.
    pub first_row: u64,
    /// One for each row.
    pub actions: Vec<Action>,
}

impl Proposals {
    fn of(&self, row: u64) -> Option<Action> {
        let index = row.checked_sub(self.first_row)?;
        self.actions.get(usize::try_from(index).ok()?).copied()
    }
}

/// The recording of a run.
pub struct Tape {
    recorder: Recorder,
    cameras: Vec<CameraHandle>,
    sampler: Sampler,
    tally: Tally,
    corrections: u64,
    /// Steps so far, those that are lost included.
    steps: u64,
    /// Why nothing is recorded any more.
    ended: Option<String>,
    /// What the policy would do where a person drives.
    pub proposals: Proposals,
    /// Whether the step that runs is a person's.
    by_person: bool,
}

impl Tape {
    /// Begins the episode.
    pub fn begin(recorder: Recorder, cameras: Vec<CameraHandle>) -> Self {
        if let Some(store) = &recorder.store {
            store.begin(&recorder.task, recorder.notes.clone());
        }
        Self {
            recorder,
            cameras,
            sampler: Sampler::default(),
            tally: Tally::default(),
            corrections: 0,
            steps: 0,
            ended: None,
            proposals: Proposals::default(),
            by_person: false,
        }
    }

    /// The number of the step that runs.
    pub fn row(&self) -> u64 {
        self.steps
    }

    /// Takes in a status of the servo in a mode that moves.
    pub fn on_status(&mut self, status: &ServoStatus) {
        let mut look = || self.recorder.look(&self.cameras);
        let sampled = self.sampler.on_status(status, &mut look);
        self.tally.lost += sampled.missed;
        self.steps += sampled.missed;
        let Some(sample) = sampled.sample else { return };
        let stale = self.recorder.is_stale(&sample);
        let asked = Some(sample.asked);
        let proposed = if self.by_person { self.proposals.of(self.steps) } else { asked };
        let row = record(&sample, self.steps, self.by_person, proposed);
        self.steps += 1;
        self.watch_store();
        if self.ended.is_some() {
            return;
        }
        let store = self.recorder.store.as_ref();
        if row.zip(store).is_some_and(|(row, store)| store.step(row)) {
            self.tally.take(&sample, stale);
            self.corrections += u64::from(self.by_person);
        } else {
            self.tally.lost += 1;
        }
    }

    /// Ends recording before the disk is full, or when it failed. The run goes on.
    fn watch_store(&mut self) {
        let Some(store) = &self.recorder.store else { return };
        for answer in store.answers.try_iter() {
            if let Answer::Failed(why) = answer {
                self.ended = Some(why);
            }
        }
        if self.ended.is_none() {
            self.ended = self.recorder.disk_is_full();
        }
    }

    /// Somebody else drives: the step that runs has no end.
    pub fn changes_hands(&mut self, by_person: bool) {
        self.by_person = by_person;
        self.sampler.break_off();
        self.proposals = Proposals::default();
    }

    /// Keeps the episode. Returns what became of it, in words. Waits for the disk.
    pub fn end(mut self, verdict: &Verdict) -> Result<String, String> {
        let Some(store) = self.recorder.store.take() else { return Err("nothing".to_owned()) };
        let mut notes = self.recorder.notes.clone();
        let mut note = |key: &str, value: serde_json::Value| {
            notes.insert(key.to_owned(), value);
        };
        if let Some(success) = verdict.success {
            note("success", success.into());
        }
        note("verdict", verdict.detail.clone().into());
        note("correction_steps", self.corrections.into());
        self.tally.note(&mut notes);
        match self.tally.steps {
            0 => store.discard(),
            _ => store.keep(notes),
        }
        let root = self.recorder.root.display().to_string();
        let mut kept = None;
        for answer in store.finish() {
            match answer {
                Answer::Kept { episode, steps, .. } => {
                    kept = Some(format!(
                        "episode {episode} of {root} has {steps} steps, {} of them corrections",
                        self.corrections
                    ));
                }
                Answer::Failed(why) => self.ended = Some(why),
                Answer::Begun(_) | Answer::Discarded(_) | Answer::Labelled(..) => {}
            }
        }
        match (kept, self.ended) {
            (Some(kept), None) => Ok(kept),
            (Some(kept), Some(why)) => Err(format!("{kept}; then recording ended: {why}")),
            (None, Some(why)) => Err(why),
            (None, None) => Err(format!("no step was recorded in {root}")),
        }
    }
}
