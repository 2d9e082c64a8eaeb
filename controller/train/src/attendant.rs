//! Attends a training: says what it does, keeps its record, holds it while an arm moves, ends it on
//! signals, and lets it go into the background.
//!
//! Owns what happens at each word of the trainer. Must never decide how to train.

use crate::arm::Arm;
use crate::detached;
use crate::pace::{About, Pace};
use crate::plots::Plots;
use crate::process::Process;
use crate::record::{Doing, Record};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget};
use jaco_core::Clock;
use jaco_shell::say::aside;
use jaco_training::{Progress, Stage, Summary, TrainError, saved_point};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The record is written anew at most so often \[ns\].
const RECORD_EVERY_NS: u64 = 1_000_000_000;

/// What is attended, and how.
pub struct Charge<'a> {
    /// What is trained.
    pub stage: Stage,
    /// Steps in all.
    pub steps: u64,
    /// Its folder.
    pub out: &'a Path,
    /// Whether it is to go on in the background.
    pub detached: bool,
    /// Whether the arm moves.
    pub arm: Arm,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Where progress is shown.
    pub bar: &'a ProgressBar,
}

/// One who attends.
pub struct Attendant<'a> {
    charge: Charge<'a>,
    signals: Signals,
    pace: Pace,
    record: Record,
    recorded_ns: Option<u64>,
    plots: Option<Plots>,
    /// What was said before there was a log.
    said: Vec<String>,
    /// Why the training was ended, where that is nobody's wish.
    failure: Option<anyhow::Error>,
}

impl<'a> Attendant<'a> {
    /// Attends from before the beginning.
    pub fn new(charge: Charge<'a>) -> anyhow::Result<Self> {
        let record = Record {
            stage: charge.stage,
            doing: Doing::Loading,
            step: 0,
            steps: charge.steps,
            loss: None,
            states_per_s: None,
            left_s: None,
            saved_step: saved_point(charge.out).ok().flatten().map(|saved| saved.step),
            log: None,
            process: Some(Process::own().context("cannot look at this process")?),
        };
        Ok(Self {
            signals: Signals::catch()?,
            pace: Pace::default(),
            record,
            recorded_ns: None,
            plots: None,
            said: Vec::new(),
            failure: None,
            charge,
        })
    }

    /// To be called with every word of the trainer; `Break` ends the training.
    pub fn hear(&mut self, progress: &Progress) -> ControlFlow<()> {
        match progress {
            Progress::Dataset(_) | Progress::Note(_) | Progress::Still(_) => {
                self.said.push(progress.to_string());
                self.say(progress);
            }
            Progress::Pictures(_) => {
                self.said.push(progress.to_string());
                self.say(progress);
                self.keep_record(true);
            }
            Progress::Loading { .. } | Progress::Seeing { .. } => {
                self.charge.bar.set_message(progress.to_string());
            }
            Progress::Step { step, loss, .. } => {
                self.record.doing = Doing::Training;
                (self.record.step, self.record.loss) = (*step, Some(*loss));
                self.pace.step(*step, self.charge.clock.now_ns());
                self.record.left_s = self.pace.left_s(self.charge.steps);
                self.charge.bar.set_position(*step);
                let left = self.record.left_s.map(|s| format!(", {} left", About(s)));
                self.charge.bar.set_message(format!("{progress}{}", left.unwrap_or_default()));
                self.keep_record(false);
            }
            Progress::Gate => {
                if self.charge.detached
                    && self.record.log.is_none()
                    && let Err(error) = self.detach()
                {
                    self.failure = Some(error);
                    return ControlFlow::Break(());
                }
                self.wait_for_arm();
            }
            Progress::Report(report) => {
                self.record.states_per_s = Some(report.states_per_s);
                let left = self.record.left_s.map(|s| format!(", {} left", About(s)));
                self.say(format_args!("{progress}{}", left.unwrap_or_default()));
                self.draw();
            }
            Progress::Validation(_) => self.say(progress),
            Progress::Saved { step, .. } => {
                self.record.saved_step = Some(*step);
                self.say(progress);
                self.keep_record(true);
            }
        }
        match self.signals.say_end(self.charge.detached) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// To be called with how the training ended.
    pub fn ended(mut self, end: Result<Summary, TrainError>) -> anyhow::Result<Summary> {
        self.charge.bar.finish_and_clear();
        let end = match self.failure.take() {
            Some(failure) => Err(failure),
            None => end.map_err(anyhow::Error::from),
        };
        let stopped_early = matches!(
            end.as_ref().err().and_then(|error| error.downcast_ref()),
            Some(TrainError::StoppedWhileLoading)
        );
        self.record.doing = match &end {
            _ if stopped_early => Doing::Stopped,
            Ok(summary) if summary.stopped => Doing::Stopped,
            Ok(_) => Doing::Finished,
            Err(error) => Doing::Failed { why: jaco_shell::say::in_full(error) },
        };
        if let Ok(summary) = &end {
            self.record.step = summary.step;
        }
        if let Some(plots) = self.plots.take() {
            plots.end();
        }
        // One that never began has no record to close.
        if self.recorded_ns.is_some() {
            self.keep_record(true);
        }
        end
    }

    fn say(&self, words: impl std::fmt::Display) {
        self.charge.bar.suspend(|| aside(words));
    }

    /// Writes the record anew, if it is time or if it must be `now`. Nothing is said where that
    /// fails: a full disk will tell, and a folder that is gone.
    fn keep_record(&mut self, now: bool) {
        let now_ns = self.charge.clock.now_ns();
        let due = self.recorded_ns.is_none_or(|at_ns| now_ns >= at_ns + RECORD_EVERY_NS);
        if !(now || due) {
            return;
        }
        if self.recorded_ns.is_none() {
            let _ = fs::create_dir_all(self.charge.out.join("training"));
        }
        let _ = self.record.write(self.charge.out);
        self.recorded_ns = Some(now_ns);
    }

    /// Draws what there is to draw.
    fn draw(&mut self) {
        let now_ns = self.charge.clock.now_ns();
        if self.plots.is_none() {
            self.plots = Plots::begin(self.charge.out).ok();
        }
        self.plots.iter_mut().for_each(|plots| plots.news(now_ns));
    }

    /// Whatever was given has been looked at, and all data are there.
    fn detach(&mut self) -> anyhow::Result<()> {
        self.charge.bar.finish_and_clear();
        self.charge.bar.set_draw_target(ProgressDrawTarget::hidden());
        self.record.log = Some(absolute(&detached::log_path(self.charge.out)));
        self.keep_record(true);
        detached::let_go(self.charge.out)?;
        aside(format_args!("-- process {}", std::process::id()));
        self.said.drain(..).for_each(aside);
        Ok(())
    }

    /// Waits while somebody moves the arm.
    fn wait_for_arm(&mut self) {
        let Some(activity) = self.charge.arm.moved_by() else { return };
        let since_ns = self.charge.clock.now_ns();
        let why = format!("{activity} moves the arm");
        self.say(format_args!("paused after step {}: {why}", self.record.step));
        let before = std::mem::replace(&mut self.record.doing, Doing::Paused { why });
        self.keep_record(true);
        let (signals, detached) = (&self.signals, self.charge.detached);
        self.charge.arm.wait(|| signals.say_end(detached));
        let paused_ns = self.charge.clock.now_ns() - since_ns;
        self.pace.pause(paused_ns);
        self.say(format_args!("goes on after {:.1} s", paused_ns as f64 * 1e-9));
        self.record.doing = before;
        self.keep_record(true);
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What signals asked for.
struct Signals {
    end: Arc<AtomicBool>,
    hung_up: Arc<AtomicBool>,
}

impl Signals {
    fn catch() -> anyhow::Result<Self> {
        let (end, hung_up) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        for (signal, flag) in [(SIGINT, &end), (SIGTERM, &end), (SIGHUP, &hung_up)] {
            let caught = signal_hook::flag::register(signal, Arc::clone(flag));
            caught.context("cannot catch signals")?;
        }
        Ok(Self { end, hung_up })
    }

    /// Whether the training is to end. The end of a terminal is nothing to one in the background.
    fn say_end(&self, detached: bool) -> bool {
        self.end.load(Ordering::Relaxed) || (!detached && self.hung_up.load(Ordering::Relaxed))
    }
}
