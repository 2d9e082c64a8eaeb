//! The reference: where the tool point should be now, and the twist that takes it along.
//!
//! A displacement asked over a step is spread evenly over its ten ticks. The twist is that
//! displacement divided by its duration, exactly (feed-forward), plus a bounded proportional
//! correction of what the measured pose lacks to the reference (feedback). The reference never
//! leaves the workspace and never runs further ahead of the arm than the leash.

use crate::limits::leash::pull_back;
use crate::limits::speed::clip_norm;
use crate::limits::workspace;
use jaco_core::{Limits, Pose, TICK_S, Twist};
use nalgebra::{UnitQuaternion, Vector3};

/// A moving target for the tool point.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    pose: Pose,
    velocity: Twist,
}

impl Reference {
    /// A reference at rest at `pose`.
    pub fn at(pose: Pose) -> Self {
        Self { pose, velocity: Twist::zero() }
    }

    /// Where the tool point should be at the coming tick.
    pub fn pose(&self) -> &Pose {
        &self.pose
    }

    /// Stay where it is.
    pub fn rest(&mut self) {
        self.velocity = Twist::zero();
    }

    /// Head for a displacement of `translation_m` and `rotation_rad` (rotation vector), base
    /// frame, within `duration_s`. Returns whether speed or workspace cut it.
    pub fn aim(
        &mut self,
        translation_m: &Vector3<f64>,
        rotation_rad: &Vector3<f64>,
        duration_s: f64,
        limits: &Limits,
    ) -> bool {
        let from_m = self.pose.position_m;
        let slow_m = clip_norm(translation_m, limits.linear_speed_m_s * duration_s);
        let slow_rad = clip_norm(rotation_rad, limits.angular_speed_rad_s * duration_s);
        let aim_m = from_m + slow_m;
        let to_m = workspace::clip_m(limits, &from_m, &aim_m);
        // Without a cut the displacement itself is used: the feed-forward is exact then.
        let displacement_m = if to_m == aim_m { slow_m } else { to_m - from_m };
        self.velocity =
            Twist { linear_m_s: displacement_m / duration_s, angular_rad_s: slow_rad / duration_s };
        displacement_m != *translation_m || slow_rad != *rotation_rad
    }

    /// The twist for one tick with the arm at `measured`, and whether the leash cut the
    /// reference; moves the reference on by the tick.
    pub fn follow(&mut self, measured: &Pose, limits: &Limits) -> (Twist, bool) {
        let (pulled, leashed) =
            pull_back(&self.pose, measured, limits.reference_leash_m, limits.reference_leash_rad);
        let inside_m = workspace::clip_m(limits, &self.pose.position_m, &pulled.position_m);
        let here = Pose { position_m: inside_m, orientation: pulled.orientation };

        let twist = Twist {
            linear_m_s: self.velocity.linear_m_s
                + feedback(
                    &(here.position_m - measured.position_m),
                    limits.feedback_gain_per_s,
                    limits.feedback_linear_m_s,
                ),
            angular_rad_s: self.velocity.angular_rad_s
                + feedback(
                    &measured.rotation_to(&here.orientation),
                    limits.feedback_gain_per_s,
                    limits.feedback_angular_rad_s,
                ),
        };

        let next_m = here.position_m + self.velocity.linear_m_s * TICK_S;
        let turn = UnitQuaternion::from_scaled_axis(self.velocity.angular_rad_s * TICK_S);
        self.pose = Pose {
            position_m: workspace::clip_m(limits, &here.position_m, &next_m),
            orientation: UnitQuaternion::new_normalize((turn * here.orientation).into_inner()),
        };
        (twist, leashed)
    }
}

/// `gain_per_s` times what is `missing`, at most `fastest` long.
fn feedback(missing: &Vector3<f64>, gain_per_s: f64, fastest: f64) -> Vector3<f64> {
    clip_norm(missing, fastest / gain_per_s) * gain_per_s
}

#[cfg(test)]
mod tests {
    use super::*;
    use jaco_core::{STEP_S, TICKS_PER_STEP};

    fn start() -> Pose {
        Pose {
            position_m: Vector3::new(0.1, -0.4, 0.2),
            orientation: UnitQuaternion::from_scaled_axis(Vector3::new(3.0, 0.1, 0.0)),
        }
    }

    #[test]
    fn feed_forward_is_the_displacement_over_the_step_exactly() {
        let limits = Limits::default();
        let mut reference = Reference::at(start());
        let (translation, rotation) = (Vector3::new(0.02, -0.007, 0.003), Vector3::z() * 0.09);
        assert!(!reference.aim(&translation, &rotation, STEP_S, &limits));
        let (twist, leashed) = reference.follow(&start(), &limits);
        assert_eq!(twist.linear_m_s, translation / STEP_S);
        assert!((twist.angular_rad_s - rotation / STEP_S).norm() < 1e-12);
        assert!(!leashed);
    }

    #[test]
    fn ten_ticks_with_a_perfect_arm_arrive_at_the_displacement() {
        let limits = Limits::default();
        let mut reference = Reference::at(start());
        let (translation, rotation) = (Vector3::new(0.0, 0.02, 0.01), Vector3::new(0.0, 0.1, 0.05));
        reference.aim(&translation, &rotation, STEP_S, &limits);
        for _ in 0..TICKS_PER_STEP {
            let measured = *reference.pose();
            reference.follow(&measured, &limits);
        }
        let want = UnitQuaternion::from_scaled_axis(rotation) * start().orientation;
        let end = reference.pose();
        assert!((end.position_m - start().position_m - translation).norm() < 1e-12);
        assert!(end.orientation.angle_to(&want) < 1e-7);
    }

    #[test]
    fn a_displacement_through_the_table_ends_at_the_face_of_the_workspace() {
        let limits = Limits::default();
        let low = Pose { position_m: Vector3::new(0.0, -0.4, 0.04), ..start() };
        let mut reference = Reference::at(low);
        let cut =
            reference.aim(&Vector3::new(0.01, 0.0, -0.02), &Vector3::zeros(), STEP_S, &limits);
        assert!(cut);
        for _ in 0..TICKS_PER_STEP {
            let measured = *reference.pose();
            reference.follow(&measured, &limits);
        }
        assert!((reference.pose().position_m - Vector3::new(0.01, -0.4, 0.03)).norm() < 1e-12);
    }

    #[test]
    fn feedback_pulls_toward_the_reference_and_is_bounded() {
        let limits = Limits::default();
        let mut reference = Reference::at(start());
        let near = Pose { position_m: start().position_m - Vector3::x() * 0.002, ..start() };
        let (twist, _) = reference.follow(&near, &limits);
        assert!((twist.linear_m_s - Vector3::x() * 0.005).norm() < 1e-12);
        let far = Pose { position_m: start().position_m - Vector3::x() * 0.035, ..start() };
        let (twist, _) = reference.follow(&far, &limits);
        assert!((twist.linear_m_s - Vector3::x() * limits.feedback_linear_m_s).norm() < 1e-12);
    }
}
