//! Refined values: executed instead of the centres of the bins, or refused with their numbers.
#![allow(clippy::unwrap_used)]

mod support;

use jaco_core::codec::bin_centre;
use jaco_core::{ActionCodec, ActionStatistics, ActionUnit, Limits, TICKS_PER_STEP};
use jaco_servo::{Command, Refusal};
use nalgebra::Vector3;
use proptest::prelude::*;
use support::{Rig, units as stream_of};

/// Within what the limits let pass in a step, so that nothing is cut.
fn statistics() -> ActionStatistics {
    ActionStatistics {
        q01: [-0.012, -0.01, -0.008, -0.03, -0.04, -0.05, 0.0],
        q99: [0.01, 0.012, 0.009, 0.04, 0.03, 0.06, 1.0],
        mask: [true, true, true, true, true, true, false],
    }
}

fn started() -> Rig {
    // Without smoothing the reference has moved by an action when its step ends.
    let mut rig = Rig::new(Limits { smoothing_ms: 0, ..Limits::default() });
    let pause_when_empty = true;
    rig.command(Command::StartPolicy { statistics: Some(statistics()), pause_when_empty });
    rig
}

fn stream(units: Vec<ActionUnit>, values: Vec<[f32; 7]>) -> Command {
    stream_of(0, &units, &values, 0)
}

fn row() -> impl Strategy<Value = [f32; 7]> {
    (proptest::array::uniform6(-1.0..=1.0_f32), 0.0..=1.0_f32)
        .prop_map(|([x, y, z, a, b, c], gripper)| [x, y, z, a, b, c, gripper])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn values_move_the_reference_by_their_displacement_whatever_the_bins(
        rows in proptest::collection::vec((row(), 1..=256_u16), 1..5),
    ) {
        let codec = ActionCodec::new(statistics()).unwrap();
        let (values, bins): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let units = bins.into_iter().map(|bin| ActionUnit([bin; 7])).collect();
        let mut rig = started();
        let mut from = rig.state.pose;
        rig.command(stream(units, values.clone()));
        for row in values {
            let asked = codec.decode_values(&row.map(f64::from));
            for _ in 0..TICKS_PER_STEP {
                rig.tick();
            }
            let report = rig.servo.report();
            let reference = report.reference.unwrap();
            let moved_m = reference.position_m - from.position_m;
            prop_assert!((moved_m - Vector3::from(asked.translation_m)).norm() < 1e-12);
            let turned_rad = from.rotation_to(&reference.orientation);
            prop_assert!((turned_rad - Vector3::from(asked.rotation_rad)).norm() < 1e-9);
            prop_assert_eq!(report.gripper, f64::from(row[6]));
            prop_assert_eq!(report.completed.unwrap().asked, asked);
            from = reference;
        }
    }
}

#[test]
fn the_centres_as_values_are_what_the_units_alone_are() {
    let units: Vec<_> = [3, 128, 254].map(|bin| ActionUnit([bin; 7])).to_vec();
    let centres = units.iter().map(|unit| unit.0.map(|bin| bin_centre(bin) as f32)).collect();
    let run = |values| {
        let mut rig = started();
        rig.command(stream(units.clone(), values));
        for _ in 0..30 {
            rig.tick();
        }
        rig.state.pose.position_m
    };
    // The values are single precision.
    assert!((run(centres) - run(vec![])).norm() < 1e-9);
}

#[test]
fn bad_values_are_refused_with_step_dimension_and_value() {
    let mut rig = started();
    let units = vec![ActionUnit([128; 7]); 2];
    for (bad, words) in [(1.001_f32, "1.001"), (f32::NEG_INFINITY, "-inf"), (f32::NAN, "NaN")] {
        let mut values = vec![[1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0]; 2];
        values[1][4] = bad;
        let refusal = rig.servo.command(0, &stream(units.clone(), values)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            format!("the value for step 1 in dimension 4 is {words}: not in -1..=1")
        );
    }
    for rows in [1, 3] {
        let refused = rig.servo.command(0, &stream(units.clone(), vec![[0.0; 7]; rows]));
        assert_eq!(refused, Err(Refusal::ValueRows { first_step: 0, rows, units: 2 }));
    }
    let unknown = vec![ActionUnit([128; 7]), ActionUnit([0; 7])];
    let refused = rig.servo.command(0, &stream(unknown, vec![[0.0; 7]; 2]));
    assert_eq!(refused, Err(Refusal::UnknownBin { step: 1, dimension: 0, bin: 0 }));
    assert_eq!(rig.servo.report().queued, 0);
}
