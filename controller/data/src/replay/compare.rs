//! How far a motion came from the recorded one, step by step. Pure.
//!
//! A row holds the pose at the beginning of its step; what a replay tells is the pose at the end of
//! one: the end of step `i` answers row `i + 1`. Steps are counted as recorded, whatever the speed,
//! so that at every speed the same part of the motion is compared.

use jaco_api::Pose;
use jaco_dataset::Vectors;
use nalgebra::{Quaternion, UnitQuaternion, Vector3};
use serde::Serialize;

/// The arm as a row of the dataset has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recorded {
    /// Where the tool point was.
    pub position_m: Vector3<f64>,
    /// How it was turned; none where the dataset does not say.
    pub orientation: Option<UnitQuaternion<f64>>,
    /// Gripper opening; none where the dataset does not say.
    pub opening: Option<f64>,
}

/// The arm in the replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// The step at whose end it was there; none before the first.
    pub step: Option<usize>,
    /// Where.
    pub pose: Pose,
    /// Gripper opening.
    pub opening: Option<f64>,
}

/// How far apart two poses are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Apart {
    /// Distance \[m\].
    pub position_m: f64,
    /// Angle \[rad\].
    pub rotation_rad: f64,
}

/// One step of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepApart {
    /// Which, from 0.
    pub step: usize,
    /// At its end.
    #[serde(flatten)]
    pub apart: Apart,
    /// Difference of the openings.
    pub opening: Option<f64>,
}

/// How far a motion came from the recorded one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Before the first step.
    pub start: Apart,
    /// At the end of the last one.
    pub last: Apart,
    /// Over all steps.
    pub mean: Apart,
    /// The most of each.
    pub max: Apart,
    /// The step at which the position was furthest off.
    pub worst_step: usize,
    /// Mean, when both motions begin at the same place: what the start's difference does not
    /// explain.
    pub moved: Apart,
    /// Each step.
    pub steps: Vec<StepApart>,
}

/// The states of an episode, by the names of their numbers; none without a position.
pub fn recorded(states: &Vectors<f64>, names: &[String]) -> Option<Vec<Recorded>> {
    let place = |name: &str| names.iter().position(|known| known == name);
    let places =
        |wanted: &[&str]| wanted.iter().map(|name| place(name)).collect::<Option<Vec<_>>>();
    let position = places(&["x", "y", "z"])?;
    let turned = places(&["qw", "qx", "qy", "qz"]);
    let opening = place("opening");
    let of = |row: &[f64]| {
        let orientation = turned.as_ref().and_then(|at| {
            let q = Quaternion::new(row[at[0]], row[at[1]], row[at[2]], row[at[3]]);
            UnitQuaternion::try_new(q, 1e-6)
        });
        Recorded {
            position_m: Vector3::new(row[position[0]], row[position[1]], row[position[2]]),
            orientation,
            opening: opening.map(|at| row[at]),
        }
    };
    Some(states.rows().map(of).collect())
}

fn apart(
    recorded: &Recorded,
    position_m: Vector3<f64>,
    orientation: &UnitQuaternion<f64>,
) -> Apart {
    Apart {
        position_m: (position_m - recorded.position_m).norm(),
        rotation_rad: recorded.orientation.map_or(0.0, |o| o.angle_to(orientation)),
    }
}

/// Compares; none if no step has a row that it answers.
pub fn compare(recorded: &[Recorded], replayed: &[Replayed]) -> Option<Comparison> {
    let first = recorded.first()?;
    let begin = replayed.iter().find(|r| r.step.is_none()).or(replayed.first())?;
    let (begin_m, begin_turned) = numbers(&begin.pose);
    let start = apart(first, begin_m, &begin_turned);
    let (mut steps, mut moved) = (Vec::new(), Vec::new());
    for replayed in replayed {
        let Some(step) = replayed.step else { continue };
        let Some(row) = recorded.get(step + 1) else { continue };
        let (position_m, turned) = numbers(&replayed.pose);
        let opening = replayed.opening.zip(row.opening).map(|(a, b)| a - b);
        steps.push(StepApart { step, apart: apart(row, position_m, &turned), opening });
        let shifted_m = position_m - begin_m + first.position_m;
        let turned = match first.orientation {
            Some(first) => turned * begin_turned.inverse() * first,
            None => turned,
        };
        moved.push(apart(row, shifted_m, &turned));
    }
    let worst = steps.iter().max_by(|a, b| a.apart.position_m.total_cmp(&b.apart.position_m))?;
    let all: Vec<Apart> = steps.iter().map(|step| step.apart).collect();
    let most = |of: fn(&Apart) -> f64| all.iter().map(of).fold(0.0, f64::max);
    Some(Comparison {
        start,
        last: *all.last()?,
        mean: mean(&all),
        max: Apart { position_m: most(|a| a.position_m), rotation_rad: most(|a| a.rotation_rad) },
        worst_step: worst.step,
        moved: mean(&moved),
        steps,
    })
}

fn mean(all: &[Apart]) -> Apart {
    let n = all.len().max(1) as f64;
    Apart {
        position_m: all.iter().map(|a| a.position_m).sum::<f64>() / n,
        rotation_rad: all.iter().map(|a| a.rotation_rad).sum::<f64>() / n,
    }
}

fn numbers(pose: &Pose) -> (Vector3<f64>, UnitQuaternion<f64>) {
    (pose.position_m, pose.orientation)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(x: f64, yaw: f64) -> Recorded {
        Recorded {
            position_m: Vector3::new(x, -0.4, 0.2),
            orientation: Some(UnitQuaternion::from_euler_angles(0.0, 0.0, yaw)),
            opening: Some(1.0),
        }
    }

    fn at(step: Option<usize>, recorded: Recorded) -> Replayed {
        let pose =
            Pose { position_m: recorded.position_m, orientation: recorded.orientation.unwrap() };
        Replayed { step, pose, opening: recorded.opening }
    }

    fn motion() -> Vec<Recorded> {
        (0..6).map(|i| row(0.02 * f64::from(i), 0.1 * f64::from(i))).collect()
    }

    #[test]
    fn the_same_motion_is_nowhere_apart() {
        let recorded = motion();
        let steps = (0..5).map(|i| at(Some(i), recorded[i + 1]));
        let replayed: Vec<Replayed> = [at(None, recorded[0])].into_iter().chain(steps).collect();
        let c = compare(&recorded, &replayed).unwrap();
        assert_eq!(c.steps.len(), 5);
        for apart in [c.start, c.last, c.mean, c.max, c.moved] {
            assert!(apart.position_m < 1e-12 && apart.rotation_rad < 1e-7, "{apart:?}");
        }
    }

    /// The pose at the end of a step was held against the row at its beginning, one step early.
    #[test]
    fn the_end_of_a_step_answers_the_row_after_it() {
        let recorded = motion();
        let replayed = [at(None, recorded[0]), at(Some(0), recorded[0])];
        let c = compare(&recorded, &replayed).unwrap();
        assert!((c.last.position_m - 0.02).abs() < 1e-12, "{c:?}");
        assert!((c.last.rotation_rad - 0.1).abs() < 1e-9, "{c:?}");
    }

    #[test]
    fn a_motion_from_another_place_is_apart_by_the_start_alone() {
        let recorded = motion();
        let shifted = |i: usize| Recorded {
            position_m: recorded[i].position_m + Vector3::new(0.0, 0.03, 0.04),
            ..recorded[i]
        };
        let steps = (0..5).map(|i| at(Some(i), shifted(i + 1)));
        let replayed: Vec<Replayed> = [at(None, shifted(0))].into_iter().chain(steps).collect();
        let c = compare(&recorded, &replayed).unwrap();
        assert!((c.start.position_m - 0.05).abs() < 1e-12);
        assert!((c.mean.position_m - 0.05).abs() < 1e-12);
        assert!(c.moved.position_m < 1e-12 && c.moved.rotation_rad < 1e-7, "{c:?}");
    }

    #[test]
    fn the_last_step_has_no_row_after_it_and_nothing_is_made_up() {
        let recorded = motion();
        assert_eq!(compare(&recorded, &[at(None, recorded[0])]), None);
        assert_eq!(compare(&recorded, &[at(Some(5), recorded[5])]), None);
        assert_eq!(compare(&[], &[at(Some(0), recorded[0])]), None);
    }
}
