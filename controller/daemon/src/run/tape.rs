//! A run, recorded: a row for each step, whoever drove it, with the policy's own proposal beside
//! what a person did instead.

use crate::session::plan::{Recorder, record};
use crate::session::sampler::{Sampler, Seen};
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
            proposals: Proposals::default(),
            by_person: false,
        }
    }

    /// The row of the step that runs.
    pub fn row(&self) -> u64 {
        self.tally.steps
    }

    /// Takes in a status of the servo in a mode that moves.
    pub fn on_status(&mut self, status: &ServoStatus) {
        let (eyes, cameras) = (&self.recorder.eyes, &self.cameras);
        let mut look = || {
            let seen = |index: &usize| {
                let camera = &cameras[*index];
                Seen { frame: camera.frames.get(), faulty: camera.health().fault.is_some() }
            };
            eyes.iter().map(seen).collect()
        };
        let sampled = self.sampler.on_status(status, &mut look);
        self.tally.lost += sampled.missed;
        let Some(sample) = sampled.sample else { return };
        let stale = self.recorder.is_stale(&sample);
        let proposed = if self.by_person { self.proposals.of(self.row()) } else { None };
        let row = record(&sample, self.row(), self.by_person, proposed);
        let store = self.recorder.store.as_ref();
        if row.zip(store).is_some_and(|(row, store)| store.step(row)) {
            self.tally.take(&sample, stale);
            self.corrections += u64::from(self.by_person);
        } else {
            self.tally.lost += 1;
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
        note("late_steps", self.tally.late.into());
        note("stale_steps", self.tally.stale.into());
        note("lost_steps", self.tally.lost.into());
        note("doubts", self.tally.doubts().into());
        match self.tally.steps {
            0 => store.discard(),
            _ => store.keep(notes),
        }
        let root = self.recorder.root.display().to_string();
        let mut said = format!("no step was recorded in {root}");
        for answer in store.finish() {
            match answer {
                Answer::Kept { episode, steps, .. } => {
                    said = format!(
                        "episode {episode} of {root} has {steps} steps, {} of them corrections",
                        self.corrections
                    );
                }
                Answer::Failed(why) => return Err(why),
                Answer::Begun(_) | Answer::Discarded(_) | Answer::Labelled(..) => {}
            }
        }
        Ok(said)
    }
}
