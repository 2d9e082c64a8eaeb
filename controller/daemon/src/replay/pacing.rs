//! Recorded actions at another speed: the same motion in other steps. Pure.

use jaco_core::Action;

/// A step of a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paced {
    /// What to do during it.
    pub action: Action,
    /// The last recorded step that is over at its end; none if none of them ends in it.
    pub completes: Option<usize>,
}

/// `actions` carried out `speed` times as fast as recorded, step by step of 100 ms. Their sum stays
/// the same; only the last step may be a part of one.
pub fn paced(actions: &[Action], speed: f64) -> Vec<Paced> {
    let recorded = actions.len() as f64;
    let steps = (recorded / speed - 1e-9).ceil().max(0.0) as usize;
    let mut from = 0.0;
    (0..steps)
        .map(|step| {
            let to = ((step + 1) as f64 * speed).min(recorded);
            let paced = Paced { action: between(actions, from, to), completes: ended(from, to) };
            from = to;
            paced
        })
        .collect()
}

/// What the recording does between two of its times, counted in its steps.
fn between(actions: &[Action], from: f64, to: f64) -> Action {
    let mut sum = Action::default();
    let touched = (from.floor() as usize)..(to.ceil() as usize).min(actions.len());
    for (index, action) in touched.map(|index| (index, &actions[index])) {
        let share = (to.min((index + 1) as f64) - from.max(index as f64)).max(0.0);
        if share > 1e-9 {
            for axis in 0..3 {
                sum.translation_m[axis] += share * action.translation_m[axis];
                sum.rotation_rad[axis] += share * action.rotation_rad[axis];
            }
            sum.gripper = action.gripper;
        }
    }
    sum
}

fn ended(from: f64, to: f64) -> Option<usize> {
    let whole = |time: f64| (time + 1e-9).floor() as usize;
    (whole(to) > whole(from)).then(|| whole(to) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions() -> Vec<Action> {
        (1..=5)
            .map(|k| Action {
                translation_m: [f64::from(k) * 1e-3, 0.0, -1e-3],
                rotation_rad: [0.0, 0.0, 0.01],
                gripper: f64::from(k % 2),
            })
            .collect()
    }

    #[test]
    fn at_the_recorded_speed_it_is_the_recording() {
        let actions = actions();
        let paced = paced(&actions, 1.0);
        let replayed: Vec<Action> = paced.iter().map(|step| step.action).collect();
        assert_eq!(replayed, actions);
        assert_eq!(
            paced.iter().map(|step| step.completes).collect::<Vec<_>>(),
            (0..5).map(Some).collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_way_is_the_same_at_any_speed() {
        for speed in [0.1, 0.3, 0.5, 0.75, 1.5, 2.0] {
            let paced = paced(&actions(), speed);
            let way: f64 = paced.iter().map(|step| step.action.translation_m[0]).sum();
            assert!((way - 0.015).abs() < 1e-9, "{way} at {speed}");
            assert_eq!(paced.len(), (5.0 / speed).ceil() as usize);
            let ends: Vec<usize> = paced.iter().filter_map(|step| step.completes).collect();
            assert_eq!(ends.last(), Some(&4), "{speed}");
            assert!(ends.windows(2).all(|pair| pair[0] < pair[1]), "{ends:?}");
        }
    }

    #[test]
    fn at_half_the_speed_each_step_takes_two() {
        let paced = paced(&actions(), 0.5);
        assert_eq!(paced[0].action.translation_m[0], 0.5e-3);
        assert_eq!((paced[0].completes, paced[1].completes), (None, Some(0)));
        assert_eq!(paced[2].action.gripper, 0.0);
    }

    #[test]
    fn nothing_is_nothing() {
        assert!(paced(&[], 1.0).is_empty());
    }
}
