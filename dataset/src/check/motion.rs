//! How the arm moved: states that no arm can reach so fast, steps that do nothing.
//!
//! Limits in metres and radians are judged only where the names of the numbers say what they are,
//! and speeds only for the arm whose speeds are known.

use super::finding::{Findings, Severity, and_after, runs};
use super::{ENOUGH_ROWS, Numbers};
use std::f64::consts::{PI, TAU};
use std::ops::Range;

/// A number that changes by less in a run of rows does not move.
const STILL: f64 = 1e-3;
/// An action below these moves nothing \[m\], \[rad\].
const NO_OP_M: f64 = 1e-4;
const NO_OP_RAD: f64 = 1e-3;
/// A gripper's opening that changes by less stays.
const NO_OP_OPENING: f64 = 0.01;
/// More no-op steps than this part of an episode are told.
const NO_OP_SHARE: f64 = 0.25;

/// Speeds beyond those of the arm: a state that changes faster is a jump.
pub(super) struct Limits(Option<[f64; 3]>);

impl Limits {
    /// For the Jaco2 twice its fastest, as a joint's and a tool's speed are not read at one
    /// instant: 0.4 m/s and 2.2 rad/s of the tool, 1.7 rad/s of a joint. Of others nothing is known.
    pub fn of(robot_type: Option<&str>) -> Self {
        let name = robot_type.unwrap_or_default().to_ascii_lowercase();
        let known = ["kinova", "jaco", "j2n6", "j2s6"].iter().any(|word| name.contains(word));
        Self(known.then_some([0.4, 2.2, 1.7]))
    }
}

/// Tells of a run of rows whether anything that was measured changed; none if nothing was.
pub(super) fn moving<'a>(
    columns: &'a [Numbers<'_>],
) -> impl Fn(&Range<usize>) -> Option<bool> + 'a {
    let measured: Vec<&Numbers<'_>> = columns
        .iter()
        .filter(|column| {
            let key = column.feature.key.as_str();
            key.starts_with("observation.") && !key.ends_with("_time") && !key.contains("force")
        })
        .collect();
    move |run| {
        if measured.is_empty() {
            return None;
        }
        Some(measured.iter().any(|column| {
            (0..column.dims).any(|dim| {
                let values = run.clone().map(|row| column.row(row)[dim]);
                let (low, high) =
                    values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
                high - low > STILL
            })
        }))
    }
}

/// Looks at the motion of an episode.
pub(super) fn judge(
    episode: usize,
    fps: f64,
    columns: &[Numbers<'_>],
    limits: &Limits,
    findings: &mut Findings,
) {
    let named = |key: &str| columns.iter().find(|column| column.feature.key == key);
    if let Some(state) = named("observation.state") {
        let times = named("observation.step_time").filter(|times| times.dims == 1);
        let step_s = |row: usize| match times {
            Some(times) => (times.values[row] - times.values[row - 1]).max(1.0 / fps),
            None => 1.0 / fps,
        };
        jumps(episode, state, limits, &step_s, findings);
    }
    if let Some(action) = named("action").filter(|action| action.rows() >= ENOUGH_ROWS) {
        no_ops(episode, action, findings);
    }
}

fn places<const N: usize>(names: &[String], wanted: [&str; N]) -> Option<[usize; N]> {
    let mut found = [0; N];
    for (place, name) in found.iter_mut().zip(wanted) {
        *place = names.iter().position(|known| known == name)?;
    }
    Some(found)
}

fn jumps(
    episode: usize,
    state: &Numbers<'_>,
    limits: &Limits,
    step_s: &dyn Fn(usize) -> f64,
    findings: &mut Findings,
) {
    let Limits(Some([tool_m_s, tool_rad_s, joint_rad_s])) = limits else { return };
    let mut tell = |what: &str, unit: &str, most: f64, speed: &dyn Fn(usize) -> f64| {
        for run in runs((0..state.rows()).map(|row| row > 0 && speed(row) > most)) {
            let problem = format!(
                "{what} jumps: {:.2} {unit} from the frame before it, the arm reaches less than \
                 {most} {unit}{}",
                speed(run.start),
                and_after(&run)
            );
            findings.of(Severity::Error, "jump", (episode, Some(run.start)), problem);
        }
    };
    let names = state.names();
    if let Some(place) = places(names, ["x", "y", "z"]) {
        tell("the position", "m/s", *tool_m_s, &|row| {
            let (a, b) = (state.row(row - 1), state.row(row));
            place.iter().map(|&i| (b[i] - a[i]).powi(2)).sum::<f64>().sqrt() / step_s(row)
        });
    }
    if let Some(place) = places(names, ["qw", "qx", "qy", "qz"]) {
        tell("the orientation", "rad/s", *tool_rad_s, &|row| {
            let (a, b) = (state.row(row - 1), state.row(row));
            let norm = |q: &[f64]| place.iter().map(|&i| q[i] * q[i]).sum::<f64>().sqrt();
            let dot = place.iter().map(|&i| a[i] * b[i]).sum::<f64>() / (norm(a) * norm(b));
            2.0 * dot.abs().min(1.0).acos() / step_s(row)
        });
    }
    let joints = names.iter().enumerate().filter(|(_, name)| {
        let number = name.strip_prefix('j').unwrap_or_default();
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    });
    for (place, name) in joints {
        tell(&format!("joint \"{name}\""), "rad/s", *joint_rad_s, &|row| {
            let change = state.row(row)[place] - state.row(row - 1)[place];
            // The shorter way round: joints may turn without end.
            ((change + PI).rem_euclid(TAU) - PI).abs() / step_s(row)
        });
    }
}

/// Steps whose action moves nothing, where the names say that actions are displacements.
fn no_ops(episode: usize, action: &Numbers<'_>, findings: &mut Findings) {
    let names = action.names();
    let Some(place) = places(names, ["dx", "dy", "dz", "droll", "dpitch", "dyaw"]) else { return };
    let gripper = names.iter().position(|name| name == "gripper");
    let opening = |row: usize| gripper.map_or(0.0, |at| action.row(row)[at]);
    let is_no_op = |row: usize| {
        let numbers = action.row(row);
        let length = |of: &[usize]| of.iter().map(|&i| numbers[i].powi(2)).sum::<f64>().sqrt();
        let stays = row == 0 || (opening(row) - opening(row - 1)).abs() < NO_OP_OPENING;
        length(&place[..3]) < NO_OP_M && length(&place[3..]) < NO_OP_RAD && stays
    };
    let runs = runs((0..action.rows()).map(is_no_op));
    let all = runs.iter().map(Range::len).sum::<usize>();
    if all as f64 > NO_OP_SHARE * action.rows() as f64 {
        let longest = runs.iter().max_by_key(|run| run.len()).cloned().unwrap_or_default();
        let problem = format!(
            "{all} of {} steps do nothing; the longest pause has {}: a policy learns to stand still",
            action.rows(),
            longest.len()
        );
        findings.of(Severity::Warning, "no-op", (episode, Some(longest.start)), problem);
    }
}
