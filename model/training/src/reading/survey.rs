//! One dataset without its pictures: every row is looked at, judged and brought to steps of
//! 100 ms before anything is trained.
//!
//! Owns how a row is judged and where a bad one is said to be. Must never decode a picture.

use super::features::{CORRECTION, Features, LABEL_STREAM, LABEL_VALID, LABELS, LATE, STALE};
use super::flags::{Flags, count, succeeded};
use super::gripper::GripperRange;
use super::rate::{Rate, RowTimes, steps};
use super::report::{ActionReport, DatasetReport, LeftOut, TaskReport};
use super::selection::Stale;
use super::source::{DatasetSource, Reading};
use crate::error::TrainError;
use crate::store::ActionRow;
use jaco_core::{ACTION_DIMS, Limits, STEP_S};
use jaco_dataset::{Dataset, Episode, Vectors};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

const GRIPPER: usize = ACTION_DIMS - 1;
/// A step this many times what the arm's limits allow is in other units than metres and radians.
const IMPLAUSIBLE: f64 = 10.0;
/// A share of the steps that is worth a warning.
const NOTABLE: f64 = 0.01;
/// What the robots are called on which a gripper's 0 is closed.
const OUR_ROBOTS: &str = "kinova";
/// A gripper that uses less than this share of its range is worth a warning.
const NARROW: f64 = 0.5;

/// Consecutive steps of one episode and one task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// What is to be done.
    pub task: String,
    /// The steps that are states, in order.
    pub states: Vec<usize>,
    /// Row of the episode whose picture each state begins with.
    pub frames: Vec<usize>,
    /// Those of the states that are of a correction, by their place in `states`.
    pub corrections: Vec<usize>,
    /// The label of each step.
    pub actions: Vec<ActionRow>,
    /// Whether the executed action was the label, for each step.
    pub label_valid: Vec<bool>,
    /// The expert's own stream from each state.
    pub streams: Option<Vec<Vec<ActionRow>>>,
    /// Simulator labels of each state, in the dataset's order; none where there are none.
    pub labels: Vec<Vec<f32>>,
}

/// An episode that was looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SurveyedEpisode {
    /// What of it is trained on.
    pub segments: Vec<Segment>,
    /// The rows with which a step begins, in order: a state is one of them, whatever is selected.
    pub rows: Vec<usize>,
}

/// A dataset that was looked at.
#[derive(Clone, Debug)]
pub struct Survey {
    /// What is said of it.
    pub report: DatasetReport,
    /// What it is read as.
    pub reading: Reading,
    /// Names of the simulator's labels.
    pub label_names: Vec<String>,
    /// Its episodes.
    pub episodes: Vec<SurveyedEpisode>,
}

/// Looks at every row of `dataset`.
pub fn survey(
    dataset: &Dataset,
    source: &DatasetSource,
    threads: usize,
) -> Result<Survey, TrainError> {
    let features = Features::of(dataset, source)?;
    let rate_hz = dataset.fps();
    let rate = Rate::of(rate_hz).map_err(|error| TrainError::Unfit {
        root: dataset.root().to_owned(),
        problem: error.to_string(),
    })?;
    let reading = Reading {
        root: source.root.clone(),
        repeat: source.repeat,
        camera: features.camera.clone(),
        action: features.action.clone(),
        gripper: source.gripper.unwrap_or_default(),
        unit_m: source.unit_m,
        unit_rad: source.unit_rad,
        selection: source.selection,
    };
    let judge = Judge { dataset, features: &features, reading: &reading, rate_hz, rate };
    let (mut episodes, mut seen) = (Vec::new(), Seen::default());
    let count = dataset.episodes().len();
    let chosen = succeeded(dataset, source.selection)?;
    dataset.read_episodes(0..count, &features.keys(), threads, |episode| {
        episodes.push(match chosen[episode.index] {
            true => judge.episode(&episode, &mut seen)?,
            false => SurveyedEpisode::default(),
        });
        Ok::<(), TrainError>(())
    })?;
    seen.left_out.episodes = chosen.iter().filter(|chosen| !**chosen).count();
    let report = report(&judge, &episodes, &seen);
    let label_names = features.label_names.clone();
    Ok(Survey { report, label_names, episodes, reading })
}

/// What was seen of all rows.
struct Seen {
    gripper: [f32; 2],
    longest_m: f64,
    largest_rad: f64,
    too_fast: usize,
    left_out: LeftOut,
    corrections: usize,
}

impl Default for Seen {
    fn default() -> Self {
        let gripper = [f32::INFINITY, f32::NEG_INFINITY];
        let left_out = LeftOut::default();
        Self { gripper, longest_m: 0.0, largest_rad: 0.0, too_fast: 0, left_out, corrections: 0 }
    }
}

/// Judges the rows of a dataset.
struct Judge<'a> {
    dataset: &'a Dataset,
    features: &'a Features,
    reading: &'a Reading,
    rate_hz: f64,
    rate: Rate,
}

impl Judge<'_> {
    /// What an episode is trained on as.
    fn episode(&self, episode: &Episode, seen: &mut Seen) -> Result<SurveyedEpisode, TrainError> {
        let mut surveyed = SurveyedEpisode::default();
        if episode.length == 0 {
            return Ok(surveyed);
        }
        let times = RowTimes::new(&episode.timestamps_s, self.rate_hz).map_err(|error| {
            let (root, episode) = (self.dataset.root().to_owned(), episode.index);
            TrainError::Episode { root, episode, problem: error.to_string() }
        })?;
        let action = &self.features.action;
        let actions = self.actions(episode, action, &episode.numbers(action)?.values, seen)?;
        let valid = match self.features.label_valid {
            true => episode.bools(LABEL_VALID)?.clone(),
            false => vec![true; episode.length],
        };
        let streams = self.streams(episode)?;
        let labels = match self.features.label_names.len() {
            0 => vec![Vec::new(); episode.length],
            _ => single_precision(&episode.numbers(LABELS)?),
        };
        let flags = self.flags(episode, &valid)?;
        for range in runs(&episode.tasks).into_iter().flat_map(|run| flags.pieces(run)) {
            let task = self.task(episode, range.start)?;
            let (rows, actions): (Vec<usize>, Vec<ActionRow>) = match self.rate {
                Rate::Steps => (range.clone().collect(), actions[range.clone()].to_vec()),
                Rate::Faster(_) => {
                    self.unperturbed(episode, range.clone(), &valid)?;
                    let steps = steps(&times, &actions, range.clone());
                    steps.into_iter().map(|step| (step.row, step.action)).unzip()
                }
            };
            self.plausible(episode, &rows, &actions, seen)?;
            let corrections = self.reading.selection.corrections;
            let states = flags.states(&rows, corrections, &mut seen.left_out);
            let frames: Vec<usize> = states.iter().map(|&step| rows[step]).collect();
            let corrected = |place: &usize| flags.correction[frames[*place]];
            let corrections: Vec<usize> = (0..frames.len()).filter(corrected).collect();
            seen.corrections += corrections.len();
            let of_frames =
                |rows: &Vec<Vec<f32>>| frames.iter().map(|&row| rows[row].clone()).collect();
            let stream_of = |streams: &Vec<Vec<ActionRow>>| {
                frames.iter().map(|&row| streams[row].clone()).collect()
            };
            surveyed.segments.push(Segment {
                task,
                label_valid: rows.iter().map(|&row| valid[row]).collect(),
                streams: streams.as_ref().map(stream_of),
                labels: of_frames(&labels),
                states,
                corrections,
                actions,
                frames,
            });
            surveyed.rows.extend(rows);
        }
        if self.rate == Rate::Steps {
            surveyed.rows = (0..episode.length).collect();
        }
        surveyed.rows.dedup();
        surveyed.segments.retain(|segment| !segment.states.is_empty());
        seen.left_out.late += count(&flags.late);
        seen.left_out.unlabelled += count(&flags.unlabelled);
        Ok(surveyed)
    }

    /// What the recorder says of the rows. At other rates than that of the steps a step is put
    /// together from rows, of which one and the same must be true.
    fn flags(&self, episode: &Episode, valid: &[bool]) -> Result<Flags, TrainError> {
        let selection = self.reading.selection;
        let flag = |key: &str| match self.features.flags.contains(&key) {
            false => Ok(vec![false; episode.length]),
            true => Ok::<_, TrainError>(episode.bools(key)?.clone()),
        };
        let (late, mut stale, correction) = (flag(LATE)?, flag(STALE)?, flag(CORRECTION)?);
        if selection.stale == Stale::Keep {
            stale.fill(false);
        }
        if self.rate != Rate::Steps {
            for (key, rows) in [(LATE, &late), (STALE, &stale), (CORRECTION, &correction)] {
                if let Some(frame) = rows.iter().position(|&flag| flag) {
                    let problem = format!(
                        "{key} is true: at {} Hz a step of 100 ms would be put together from rows \
                         of which this is true and others; record at 10 Hz",
                        self.rate_hz
                    );
                    return Err(self.fault(episode, frame, problem));
                }
            }
        }
        let recorded_live = !self.features.flags.is_empty() && self.rate == Rate::Steps;
        let unlabelled = (0..episode.length).map(|row| recorded_live && !valid[row] && !late[row]);
        Ok(Flags { unlabelled: unlabelled.collect(), late, stale, correction })
    }

    /// Actions in our order, units and opening, of numbers that are stored as those of `key`.
    fn actions(
        &self,
        episode: &Episode,
        key: &str,
        numbers: &[f64],
        seen: &mut Seen,
    ) -> Result<Vec<ActionRow>, TrainError> {
        let Reading { gripper, unit_m, unit_rad, .. } = *self.reading;
        let rows = numbers.chunks_exact(ACTION_DIMS);
        let a_row = numbers.len() / episode.length.max(1) / ACTION_DIMS;
        let row = |(number, row): (usize, &[f64])| {
            let fault = |problem| self.fault(episode, number / a_row.max(1), problem);
            if let Some(value) = row.iter().find(|value| !value.is_finite()) {
                return Err(fault(format!("{key} holds {value}, which is not a finite number")));
            }
            let mut action = self.features.layout.arrange(row, unit_m, unit_rad);
            let value = action[GRIPPER];
            seen.gripper = [seen.gripper[0].min(value), seen.gripper[1].max(value)];
            action[GRIPPER] =
                gripper.opening(value).ok_or_else(|| fault(beyond(key, value, gripper)))?;
            Ok(action)
        };
        rows.enumerate().map(row).collect()
    }

    fn streams(&self, episode: &Episode) -> Result<Option<Vec<Vec<ActionRow>>>, TrainError> {
        if !self.features.label_stream {
            return Ok(None);
        }
        if self.rate != Rate::Steps {
            return Err(TrainError::Feature {
                root: self.dataset.root().to_owned(),
                key: LABEL_STREAM.to_owned(),
                problem: format!(
                    "holds the expert's streams at {} Hz, which cannot be put together to steps of \
                     100 ms; record at 10 Hz, or remove the feature",
                    self.rate_hz
                ),
            });
        }
        let numbers = episode.numbers(LABEL_STREAM)?.values;
        let a_row = numbers.len() / episode.length / ACTION_DIMS;
        let actions = self.actions(episode, LABEL_STREAM, &numbers, &mut Seen::default())?;
        Ok(Some(actions.chunks_exact(a_row).map(<[ActionRow]>::to_vec).collect()))
    }

    /// Labels of perturbed rows answer other states than the rows before them lead to, so that no
    /// step can be put together from them.
    fn unperturbed(
        &self,
        episode: &Episode,
        range: Range<usize>,
        valid: &[bool],
    ) -> Result<(), TrainError> {
        match range.into_iter().find(|&row| !valid[row]) {
            None => Ok(()),
            Some(frame) => Err(self.fault(
                episode,
                frame,
                format!(
                    "{LABEL_VALID} is false: at {} Hz a step of 100 ms would be put together from \
                     labels of states that it does not lead to; record at 10 Hz",
                    self.rate_hz
                ),
            )),
        }
    }

    fn task(&self, episode: &Episode, frame: usize) -> Result<String, TrainError> {
        let text = &*episode.tasks[frame];
        if text.trim().is_empty() {
            let problem = "the task has no text: a policy is trained on what it is told to do";
            return Err(self.fault(episode, frame, problem.to_owned()));
        }
        Ok(text.to_owned())
    }

    /// Refuses steps that no arm makes: they are in other units, or are no displacements.
    fn plausible(
        &self,
        episode: &Episode,
        frames: &[usize],
        actions: &[ActionRow],
        seen: &mut Seen,
    ) -> Result<(), TrainError> {
        let limits = Limits::default();
        let (most_m, most_rad) =
            (limits.linear_speed_m_s * STEP_S, limits.angular_speed_rad_s * STEP_S);
        for (&frame, action) in frames.iter().zip(actions) {
            let length =
                |part: &[f32]| part.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            let (moved_m, turned_rad) = (length(&action[..3]), length(&action[3..GRIPPER]));
            if moved_m > IMPLAUSIBLE * most_m {
                let problem = format!(
                    "{} moves the tool by {moved_m:.3} m in 100 ms, where the arm's limits allow \
                     {most_m:.3} m: these are no displacements in metres; --unit-m says how many \
                     metres a 1 is (0.001 for millimetres)",
                    self.features.action
                );
                return Err(self.fault(episode, frame, problem));
            }
            if turned_rad > IMPLAUSIBLE * most_rad {
                let problem = format!(
                    "{} turns the tool by {turned_rad:.3} rad in 100 ms, where the arm's limits \
                     allow {most_rad:.3} rad: these are no rotations in radians; --unit-rad says \
                     how many radians a 1 is (0.0174533 for degrees)",
                    self.features.action
                );
                return Err(self.fault(episode, frame, problem));
            }
            seen.longest_m = seen.longest_m.max(moved_m);
            seen.largest_rad = seen.largest_rad.max(turned_rad);
            seen.too_fast += usize::from(moved_m > most_m || turned_rad > most_rad);
        }
        Ok(())
    }

    fn fault(&self, episode: &Episode, frame: usize, problem: String) -> TrainError {
        let root = self.dataset.root().to_owned();
        TrainError::Value { root, episode: episode.index, frame, problem }
    }
}

/// Why the gripper's number `value` is refused.
fn beyond(key: &str, value: f32, range: GripperRange) -> String {
    format!(
        "the gripper in {key} is {value}, outside {range}: state the numbers of a closed and of an \
         open gripper with --gripper CLOSED..OPEN, such as -1..1, 0..100 or 1..0"
    )
}

/// Rows of equal task, in order.
fn runs(tasks: &[Arc<str>]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for run in tasks.chunk_by(|one, next| one == next) {
        runs.push(start..start + run.len());
        start += run.len();
    }
    runs
}

fn single_precision(vectors: &Vectors<f64>) -> Vec<Vec<f32>> {
    vectors.rows().map(|row| row.iter().map(|&value| value as f32).collect()).collect()
}

fn report(judge: &Judge, episodes: &[SurveyedEpisode], seen: &Seen) -> DatasetReport {
    let Judge { dataset, features, reading, rate_hz, rate } = *judge;
    let (mut tasks, mut places) = (Vec::<TaskReport>::new(), HashMap::new());
    for segment in episodes.iter().flat_map(|episode| &episode.segments) {
        let place = *places.entry(segment.task.as_str()).or_insert(tasks.len());
        if place == tasks.len() {
            tasks.push(TaskReport { text: segment.task.clone(), states: 0 });
        }
        tasks[place].states += segment.states.len();
    }
    let states = tasks.iter().map(|task| task.states).sum();
    DatasetReport {
        root: reading.root.clone(),
        repeat: reading.repeat,
        episodes: episodes.len(),
        frames: dataset.total_frames(),
        rate_hz,
        resampled: rate != Rate::Steps,
        states,
        camera: reading.camera.clone(),
        cameras: features.cameras.clone(),
        action: ActionReport {
            key: reading.action.clone(),
            names: features.action_names.clone(),
            unit_m: reading.unit_m,
            unit_rad: reading.unit_rad,
            gripper: reading.gripper,
            gripper_seen: (states > 0).then_some(seen.gripper),
            longest_m: seen.longest_m,
            largest_rad: seen.largest_rad,
        },
        selection: reading.selection,
        left_out: seen.left_out,
        corrections: seen.corrections,
        tasks,
        labels: features.labels(),
        ignored: features.ignored.clone(),
        warnings: warnings(reading.gripper, dataset.robot_type(), states, seen),
    }
}

/// What is usable but looks wrong.
fn warnings(gripper: GripperRange, robot: Option<&str>, states: usize, seen: &Seen) -> Vec<String> {
    let mut warnings = Vec::new();
    // On many robots 1 is closed, and the numbers do not show it.
    if gripper == GripperRange::default() && !robot.is_some_and(|it| it.starts_with(OUR_ROBOTS)) {
        let robot = robot.unwrap_or("a robot without a name");
        warnings.push(format!(
            "the gripper of {robot} is taken to be closed at 0 and open at 1: if it is the other \
             way round, say --gripper 1..0"
        ));
    }
    if seen.too_fast as f64 > NOTABLE * states as f64 {
        warnings.push(format!(
            "{} of {states} steps are faster than the arm's default limits: it will fall behind",
            seen.too_fast
        ));
    }
    let [least, greatest] = seen.gripper.map(|value| gripper.opening(value).unwrap_or(value));
    if states > 0 && (greatest - least).abs() < NARROW as f32 {
        warnings.push(format!(
            "the gripper's numbers go from {} to {} only: if they mean closed and open, say so with \
             --gripper",
            seen.gripper[0], seen.gripper[1]
        ));
    }
    warnings
}
