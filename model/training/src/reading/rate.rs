//! From the rows of a recording to steps of 100 ms, by the rows' true times.
//!
//! A row's action is taken to be carried out evenly from its timestamp to the next row's. A step
//! gets from each row the share of its action that falls into the step: displacements add up,
//! rotations (vectors in the base frame) are composed, the later one on the left. The gripper is
//! heading, at a step's end, for what the row asks that covers the end. What a camera, a label or
//! a task says of a step is what the newest row at its beginning says.
//!
//! Pure. Must never invent what was not recorded: below 10 Hz there is no picture for every step.

use crate::store::ActionRow;
use jaco_core::ACTION_DIMS;
use nalgebra::{UnitQuaternion, Vector3};
use std::ops::Range;

/// Steps in a second.
pub const STEPS_HZ: f64 = 10.0;
/// A rate is that of the steps if it differs by no more than this share.
const SAME_RATE: f64 = 0.005;
/// How far the mean distance of an episode's rows may be from the stated rate's, as a share.
const MEAN_TOLERANCE: f64 = 0.02;
/// How far the distance of two rows may be from the stated rate's, as a share: more is a lost row.
const GAP_TOLERANCE: f64 = 0.5;
/// Timestamps this close to a whole number of periods are taken to be exactly that \[s\]: single
/// precision of a long recording is no jitter.
const SNAP_S: f64 = 1e-3;
/// Less than this share of a step at an episode's end is the rounding of times.
const NO_STEP: f64 = 1e-6;
const GRIPPER: usize = ACTION_DIMS - 1;

/// Why the rows of an episode cannot be brought to 10 Hz.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RateError {
    /// The stated rate is none.
    #[error("fps = {0}: it must be a number above 0")]
    NoRate(f64),
    /// Fewer rows than steps.
    #[error(
        "is recorded at {0} Hz: a step is 100 ms and needs a picture of its own, so that 10 Hz is \
         the least that can be trained on; record at 10 Hz or faster"
    )]
    TooSlow(f64),
    /// Time does not go on from a row to the next.
    #[error(
        "frame {frame}: its timestamp {now_s} s does not come after the {before_s} s before it"
    )]
    Backwards {
        /// The row at fault.
        frame: usize,
        /// Time of the row before \[s\].
        before_s: f64,
        /// Its time \[s\].
        now_s: f64,
    },
    /// A gap, or two rows at nearly the same time.
    #[error(
        "frame {frame}: comes {found_ms:.1} ms after the one before it, where fps = {rate_hz} says \
         {wanted_ms:.1} ms: what the arm did in a gap is not known; cut the episode there"
    )]
    Gap {
        /// The row at fault.
        frame: usize,
        /// Time since the row before \[ms\].
        found_ms: f64,
        /// Time that the rate states \[ms\].
        wanted_ms: f64,
        /// The stated rate.
        rate_hz: f64,
    },
    /// Timestamps and rate tell two stories.
    #[error(
        "its timestamps go on by {found_ms:.2} ms on average, but fps = {rate_hz} says \
         {wanted_ms:.2} ms: correct whichever is wrong, in meta/info.json or in the rows"
    )]
    OtherRate {
        /// Mean time between rows \[ms\].
        found_ms: f64,
        /// Time that the rate states \[ms\].
        wanted_ms: f64,
        /// The stated rate.
        rate_hz: f64,
    },
}

/// What is done to a dataset's rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Every row is a step.
    Steps,
    /// Steps are put together from rows that come faster \[Hz\].
    Faster(f64),
}

impl Rate {
    /// What has to be done to rows at `fps`.
    pub fn of(fps: f64) -> Result<Self, RateError> {
        if !(fps.is_finite() && fps > 0.0) {
            return Err(RateError::NoRate(fps));
        }
        let excess = fps / STEPS_HZ - 1.0;
        if excess.abs() <= SAME_RATE {
            Ok(Rate::Steps)
        } else if excess < 0.0 {
            Err(RateError::TooSlow(fps))
        } else {
            Ok(Rate::Faster(fps))
        }
    }
}

/// When the rows of an episode begin, from its first row on; the last number is the end \[s\].
#[derive(Clone, Debug, PartialEq)]
pub struct RowTimes(Vec<f64>);

impl RowTimes {
    /// The times of rows with these `timestamps_s` of a dataset at `rate_hz`. Refuses what is too
    /// irregular to be that rate.
    pub fn new(timestamps_s: &[f64], rate_hz: f64) -> Result<Self, RateError> {
        let period_s = 1.0 / rate_hz;
        let first_s = timestamps_s.first().copied().unwrap_or(0.0);
        for (frame, pair) in timestamps_s.windows(2).enumerate() {
            let (frame, distance_s) = (frame + 1, pair[1] - pair[0]);
            // Not a number fails here too.
            if !(distance_s > 0.0 && distance_s.is_finite()) {
                return Err(RateError::Backwards { frame, before_s: pair[0], now_s: pair[1] });
            }
            if (distance_s / period_s - 1.0).abs() > GAP_TOLERANCE {
                return Err(RateError::Gap {
                    frame,
                    found_ms: distance_s * 1e3,
                    wanted_ms: period_s * 1e3,
                    rate_hz,
                });
            }
        }
        let gaps = timestamps_s.len().saturating_sub(1) as f64;
        let span_s = timestamps_s.last().copied().unwrap_or(0.0) - first_s;
        // Few rows can be off by jitter alone.
        let jitter_s = GAP_TOLERANCE * period_s;
        if (span_s - gaps * period_s).abs() > jitter_s.max(MEAN_TOLERANCE * gaps * period_s) {
            return Err(RateError::OtherRate {
                found_ms: span_s / gaps * 1e3,
                wanted_ms: period_s * 1e3,
                rate_hz,
            });
        }
        let nominal_s = |row: usize| row as f64 / rate_hz;
        let regular = timestamps_s
            .iter()
            .enumerate()
            .all(|(row, time_s)| (time_s - first_s - nominal_s(row)).abs() <= SNAP_S);
        let mut times_s: Vec<f64> = match regular {
            true => (0..timestamps_s.len()).map(nominal_s).collect(),
            false => timestamps_s.iter().map(|time_s| time_s - first_s).collect(),
        };
        let end_s = match regular {
            true => nominal_s(times_s.len()),
            false => span_s + period_s,
        };
        times_s.push(end_s);
        Ok(Self(times_s))
    }
}

/// One step of 100 ms made of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The newest row at its beginning.
    pub row: usize,
    /// What is asked over the step.
    pub action: ActionRow,
}

/// The steps that the rows `rows` are, counted from the first of them, whose `actions` are given
/// for all rows of the episode. A last step that they do not fill holds what is left, so that
/// nothing of the motion is lost.
pub fn steps(times: &RowTimes, actions: &[ActionRow], rows: Range<usize>) -> Vec<Step> {
    let from_s = times.0[rows.start];
    let times_s: Vec<f64> = times.0[rows.start..=rows.end].iter().map(|s| s - from_s).collect();
    let length_s = times_s[rows.len()];
    let count = (length_s * STEPS_HZ - NO_STEP).ceil().max(0.0) as usize;
    let mut steps = Vec::with_capacity(count);
    // What is shown or asked at a boundary must not hang on the rounding of times; shares may.
    let snap_s = SNAP_S.min(0.25 * length_s / rows.len() as f64);
    let (mut first, mut shown) = (0, 0);
    for step in 0..count {
        let (begin_s, end_s) = (step as f64 / STEPS_HZ, (step + 1) as f64 / STEPS_HZ);
        while first + 1 < rows.len() && times_s[first + 1] <= begin_s {
            first += 1;
        }
        while shown + 1 < rows.len() && times_s[shown + 1] <= begin_s + snap_s {
            shown += 1;
        }
        let (mut moved_m, mut turned) = ([0.0; 3], UnitQuaternion::identity());
        let mut gripper = actions[rows.start + shown][GRIPPER];
        for row in (first..rows.len()).take_while(|&row| times_s[row] < end_s) {
            let action = &actions[rows.start + row];
            let (row_begin_s, row_end_s) = (times_s[row], times_s[row + 1]);
            let overlap_s = row_end_s.min(end_s) - row_begin_s.max(begin_s);
            let share = (overlap_s / (row_end_s - row_begin_s)).clamp(0.0, 1.0);
            for (moved, &whole) in moved_m.iter_mut().zip(&action[..3]) {
                *moved += share * f64::from(whole);
            }
            turned = rotation(action, share) * turned;
            if row_begin_s < end_s - snap_s {
                gripper = action[GRIPPER];
            }
        }
        let turned_rad = turned.scaled_axis();
        let mut action = [0.0; ACTION_DIMS];
        for axis in 0..3 {
            action[axis] = moved_m[axis] as f32;
            action[3 + axis] = turned_rad[axis] as f32;
        }
        action[GRIPPER] = gripper;
        steps.push(Step { row: rows.start + shown, action });
    }
    steps
}

/// The share `share` of an action's rotation.
fn rotation(action: &ActionRow, share: f64) -> UnitQuaternion<f64> {
    let vector = Vector3::new(action[3], action[4], action[5]).map(f64::from);
    UnitQuaternion::from_scaled_axis(vector * share)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn regular(rows: usize, rate_hz: f64) -> RowTimes {
        // As the format stores them: single precision.
        let times: Vec<f64> =
            (0..rows).map(|row| f64::from((row as f64 / rate_hz) as f32)).collect();
        RowTimes::new(&times, rate_hz).unwrap()
    }

    fn all(times: &RowTimes, actions: &[ActionRow]) -> Vec<Step> {
        steps(times, actions, 0..actions.len())
    }

    /// axol #306 and any4lerobot #17: three rows of a dataset at 30 fps are one step of 100 ms.
    #[test]
    fn constant_velocity_at_30_hz_is_three_times_as_much_a_step() {
        let mut actions = vec![[0.001, -0.002, 0.0, 0.0, 0.0, 0.01, 0.0]; 30];
        actions[29][6] = 1.0;
        let steps = all(&regular(30, 30.0), &actions);
        assert_eq!(steps.len(), 10);
        for (number, step) in steps.iter().enumerate() {
            assert_eq!(step.row, 3 * number);
            for (found, wanted) in step.action[..6].iter().zip([0.003, -0.006, 0.0, 0.0, 0.0, 0.03])
            {
                assert!((found - wanted).abs() < 1e-7, "{step:?}");
            }
            assert_eq!(step.action[6], f32::from(u8::from(number == 9)), "the step's end decides");
        }
    }

    #[test]
    fn a_row_across_a_boundary_is_shared_by_its_time() {
        // 25 Hz: row 2 goes from 80 to 120 ms.
        let mut actions = vec![[0.0; ACTION_DIMS]; 5];
        actions[2] = [0.004, 0.0, 0.0, 0.0, 0.02, 0.0, 1.0];
        let steps = all(&regular(5, 25.0), &actions);
        assert_eq!(steps.iter().map(|step| step.row).collect::<Vec<_>>(), [0, 2]);
        for step in &steps {
            assert!((step.action[0] - 0.002).abs() < 1e-8, "{step:?}");
            assert!((step.action[4] - 0.01).abs() < 1e-8, "{step:?}");
        }
        assert_eq!((steps[0].action[6], steps[1].action[6]), (1.0, 0.0));
    }

    #[test]
    fn rotations_are_composed_in_the_base_frame_and_not_added() {
        let quarter = std::f32::consts::FRAC_PI_2;
        let x = [0.0, 0.0, 0.0, quarter, 0.0, 0.0, 1.0];
        let z = [0.0, 0.0, 0.0, 0.0, 0.0, quarter, 1.0];
        let steps = all(&regular(2, 20.0), &[x, z]);
        // First about x, then about the base's z: a third of a turn about (1, 1, 1).
        let wanted = (2.0 * std::f32::consts::FRAC_PI_3) / 3.0f32.sqrt();
        for axis in 3..6 {
            assert!((steps[0].action[axis] - wanted).abs() < 1e-5, "{steps:?}");
        }
    }

    #[test]
    fn a_rest_at_the_end_keeps_its_motion() {
        let steps = all(&regular(4, 30.0), &[[0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]; 4]);
        assert_eq!(steps.len(), 2);
        assert!((steps[1].action[0] - 0.01).abs() < 1e-8);
    }

    #[test]
    fn a_part_of_an_episode_counts_from_its_own_beginning() {
        let actions: Vec<ActionRow> = (0..9).map(|row| [row as f32; ACTION_DIMS]).collect();
        let part = steps(&regular(9, 30.0), &actions, 2..8);
        assert_eq!(part.iter().map(|step| step.row).collect::<Vec<_>>(), [2, 5]);
        assert_eq!((part[0].action[0], part[1].action[0]), (2.0 + 3.0 + 4.0, 5.0 + 6.0 + 7.0));
    }

    #[test]
    fn rates_are_told_apart() {
        assert_eq!(Rate::of(10.0), Ok(Rate::Steps));
        assert_eq!(Rate::of(10.01), Ok(Rate::Steps));
        assert_eq!(Rate::of(29.97), Ok(Rate::Faster(29.97)));
        assert_eq!(Rate::of(5.0), Err(RateError::TooSlow(5.0)));
        for none in [0.0, -30.0, f64::INFINITY] {
            assert_eq!(Rate::of(none), Err(RateError::NoRate(none)));
        }
        assert!(Rate::of(f64::NAN).is_err());
    }

    #[test]
    fn times_that_are_not_the_rates_are_refused() {
        let refused = |times: &[f64], rate_hz| RowTimes::new(times, rate_hz).unwrap_err();
        assert!(matches!(refused(&[0.0, 0.1, 0.1], 10.0), RateError::Backwards { frame: 2, .. }));
        assert!(matches!(refused(&[0.0, f64::NAN], 10.0), RateError::Backwards { frame: 1, .. }));
        assert!(matches!(refused(&[0.0, 0.1, 0.4], 10.0), RateError::Gap { frame: 2, .. }));
        let thirty: Vec<f64> = (0..30).map(|row| f64::from(row) / 30.0).collect();
        assert!(matches!(refused(&thirty, 10.0), RateError::Gap { frame: 1, .. }));
        let slow: Vec<f64> = (0..60).map(|row| f64::from(row) * 0.11).collect();
        assert!(matches!(refused(&slow, 10.0), RateError::OtherRate { .. }));
        // A clock that starts elsewhere, and one that jitters, are no fault.
        RowTimes::new(&[1000.0, 1000.11, 1000.19, 1000.3], 10.0).unwrap();
        RowTimes::new(&[5.0], 10.0).unwrap();
        RowTimes::new(&[], 10.0).unwrap();
    }

    fn turns(actions: &[ActionRow]) -> UnitQuaternion<f64> {
        actions.iter().fold(UnitQuaternion::identity(), |turned, row| rotation(row, 1.0) * turned)
    }

    fn recording() -> impl Strategy<Value = (f64, Vec<f64>, Vec<ActionRow>)> {
        let row = (-0.02f32..0.02, -0.1f32..0.1, -0.3f64..0.3);
        (10.5f64..120.0, proptest::collection::vec(row, 1..150)).prop_map(|(rate_hz, rows)| {
            let time = |(number, row): (usize, &(f32, f32, f64))| {
                // Every row jitters by less than a third of the period.
                (number as f64 + row.2) / rate_hz
            };
            let action = |(move_m, turn_rad, _): &(f32, f32, f64)| {
                [*move_m, -move_m, 0.5 * move_m, *turn_rad, 0.3, -turn_rad, turn_rad.abs()]
            };
            let mut times: Vec<f64> = rows.iter().enumerate().map(time).collect();
            times.dedup_by(|later, before| *later <= *before);
            (rate_hz, times, rows.iter().map(action).collect())
        })
    }

    proptest! {
        /// Where the arm ends is where the recording ended, whatever the rate and its jitter.
        #[test]
        fn displacement_and_rotation_are_conserved((rate_hz, times, actions) in recording()) {
            // Jitter may add up to a gap that is refused; that is another test's matter.
            let Ok(times) = RowTimes::new(&times, rate_hz) else { return Ok(()) };
            let actions = &actions[..times.0.len() - 1];
            let steps = all(&times, actions);
            for axis in 0..3 {
                let sum = |values: &mut dyn Iterator<Item = f32>| values.map(f64::from).sum::<f64>();
                let before = sum(&mut actions.iter().map(|row| row[axis]));
                let after = sum(&mut steps.iter().map(|step| step.action[axis]));
                prop_assert!((before - after).abs() < 1e-6, "{} {}", before, after);
            }
            let made: Vec<ActionRow> = steps.iter().map(|step| step.action).collect();
            prop_assert!(turns(actions).angle_to(&turns(&made)) < 1e-4);
            prop_assert!(steps.windows(2).all(|pair| pair[0].row <= pair[1].row));
        }

        /// Pictures came a row late, and grippers a row early, where a task began in the middle of an
        /// episode or a single row was late: times were compared to the last bit.
        #[test]
        fn boundaries_do_not_hang_on_rounding(
            per_step in 2usize..7,
            start in 0usize..300,
            late in 0usize..60,
            late_ms in -0.9f64..3.0,
        ) {
            let rate_hz = 10.0 * per_step as f64;
            let count = 60;
            let time = |row: usize| {
                let late_s = if row == start + late && late % per_step != 0 { late_ms * 1e-3 } else { 0.0 };
                f64::from((row as f64 / rate_hz + late_s) as f32)
            };
            let times: Vec<f64> = (0..start + count).map(time).collect();
            let Ok(times) = RowTimes::new(&times, rate_hz) else { return Ok(()) };
            let actions: Vec<ActionRow> =
                (0..start + count).map(|row| [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, row as f32]).collect();
            let whole = count / per_step;
            for (number, step) in
                steps(&times, &actions, start..start + count).iter().enumerate().take(whole)
            {
                let begins = start + number * per_step;
                prop_assert_eq!(step.row, begins);
                prop_assert_eq!(step.action[GRIPPER], (begins + per_step - 1) as f32);
            }
        }

        /// Rows that are steps already stay what they are.
        #[test]
        fn steps_at_10_hz_are_the_rows(values in proptest::collection::vec(-0.1f32..0.1, 1..60)) {
            let actions: Vec<ActionRow> =
                values.iter().map(|value| [*value, 0.0, -value, 0.0, *value, 0.0, 1.0]).collect();
            let steps = all(&regular(actions.len(), 10.0), &actions);
            prop_assert_eq!(steps.len(), actions.len());
            for (row, (step, action)) in steps.iter().zip(&actions).enumerate() {
                prop_assert_eq!(step.row, row);
                for (made, given) in step.action.iter().zip(action) {
                    prop_assert!((made - given).abs() < 1e-6);
                }
            }
        }
    }
}
