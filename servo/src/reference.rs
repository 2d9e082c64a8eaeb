//! The reference: where the tool point should be now, and the twist that takes it along.
//!
//! A displacement asked over a step moves a goal evenly over its ten ticks. The reference is the
//! goal, smoothed over a short window: its velocity has no step where one displacement follows
//! another, and when nothing more is asked it comes to rest at the sum of the displacements. The
//! twist is the reference's own motion over the tick, exactly (feed-forward), plus a bounded
//! proportional correction of what the measured pose lacks to it (feedback), in bursts where the
//! arm ignores slow velocities.
//!
//! The reference never leaves the workspace or enters a keep-out box, and never runs further ahead
//! of the arm than the leash; it hardly does so while the arm is held back, so that an arm that
//! comes free, or is led back, moves at once.

use crate::dead_zone::Bursts;
use crate::limits::acted::{Acted, Limit};
use crate::limits::leash::pull_back;
use crate::limits::speed::clip_norm;
use crate::limits::{keep_out, workspace};
use crate::resistance::Resistance;
use crate::smoothing::Window;
use jaco_core::{Limits, Pose, TICK_S, Twist};
use nalgebra::{UnitQuaternion, Vector3};

/// A moving target for the tool point.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    goal: Pose,
    velocity: Twist,
    window: Window,
    pose: Pose,
    resistance: Resistance,
    linear: Bursts,
    angular: Bursts,
}

impl Reference {
    /// A reference at rest at `pose`.
    pub fn at(pose: Pose, limits: &Limits) -> Self {
        Self {
            goal: pose,
            velocity: Twist::zero(),
            window: Window::at(pose, limits.smoothing_ms),
            pose,
            resistance: Resistance::at(pose),
            linear: Bursts::default(),
            angular: Bursts::default(),
        }
    }

    /// Where the tool point should be at the coming tick.
    pub fn pose(&self) -> &Pose {
        &self.pose
    }

    /// Go nowhere else: what has been asked for by now is still arrived at.
    pub fn rest(&mut self) {
        self.velocity = Twist::zero();
    }

    /// Head for a displacement of `translation_m` and `rotation_rad` (rotation vector), base
    /// frame, within `duration_s`. Returns the limits that cut it.
    pub fn aim(
        &mut self,
        translation_m: &Vector3<f64>,
        rotation_rad: &Vector3<f64>,
        duration_s: f64,
        limits: &Limits,
    ) -> Acted {
        let from_m = self.goal.position_m;
        let slow_m = clip_norm(translation_m, limits.linear_speed_m_s * duration_s);
        let slow_rad = clip_norm(rotation_rad, limits.angular_speed_rad_s * duration_s);
        let aim_m = from_m + slow_m;
        let (to_m, mut acted) = confine_m(limits, &from_m, &aim_m);
        // Without a cut the displacement itself is used: the feed-forward is exact then.
        let displacement_m = if to_m == aim_m { slow_m } else { to_m - from_m };
        self.velocity =
            Twist { linear_m_s: displacement_m / duration_s, angular_rad_s: slow_rad / duration_s };
        acted.note(Limit::LinearSpeed, slow_m != *translation_m);
        acted.note(Limit::AngularSpeed, slow_rad != *rotation_rad);
        acted
    }

    /// The twist for one tick with the arm at `measured` and `sent` the twist before, and the
    /// limits that held the reference; moves the reference on by the tick.
    pub fn follow(&mut self, measured: &Pose, sent: &Twist, limits: &Limits) -> (Twist, Acted) {
        self.linear.sent(&sent.linear_m_s, limits.dead_zone_m_s);
        self.angular.sent(&sent.angular_rad_s, limits.dead_zone_rad_s);
        self.resistance.see(sent, measured, limits);
        let mut acted = self.yield_to(measured, limits);

        let here = self.pose;
        let next_m = self.goal.position_m + self.velocity.linear_m_s * TICK_S;
        let (goal_m, held) = confine_m(limits, &self.goal.position_m, &next_m);
        acted.add(held);
        let turn = UnitQuaternion::from_scaled_axis(self.velocity.angular_rad_s * TICK_S);
        let orientation =
            UnitQuaternion::new_normalize((turn * self.goal.orientation).into_inner());
        self.goal = Pose { position_m: goal_m, orientation };
        self.window.push(self.goal);
        self.pose = self.window.mean();
        let (position_m, held) = confine_m(limits, &here.position_m, &self.pose.position_m);
        self.pose.position_m = position_m;
        acted.add(held);

        let forward = Twist {
            linear_m_s: (self.pose.position_m - here.position_m) / TICK_S,
            angular_rad_s: here.rotation_to(&self.pose.orientation) / TICK_S,
        };
        let missing_m = here.position_m - measured.position_m;
        let missing_rad = measured.rotation_to(&here.orientation);
        let gain_per_s = limits.feedback_gain_per_s;
        let twist = Twist {
            linear_m_s: self.linear.wanted(
                forward.linear_m_s + feedback(&missing_m, gain_per_s, limits.feedback_linear_m_s),
                &forward.linear_m_s,
                &missing_m,
                limits.dead_zone_m_s,
            ),
            angular_rad_s: self.angular.wanted(
                forward.angular_rad_s
                    + feedback(&missing_rad, gain_per_s, limits.feedback_angular_rad_s),
                &forward.angular_rad_s,
                &missing_rad,
                limits.dead_zone_rad_s,
            ),
        };
        (twist, acted)
    }

    /// Gives up what a limit has `removed` from the tick's twist: an arm that is not let there is
    /// not waited for there.
    pub fn give_up(&mut self, removed: &Twist, limits: &Limits) {
        if *removed != Twist::zero() {
            let turn = UnitQuaternion::from_scaled_axis(-removed.angular_rad_s * TICK_S);
            self.shift(&(-removed.linear_m_s * TICK_S), &turn, limits);
        }
    }

    /// Comes back to the arm as far as leash and contact ask for.
    fn yield_to(&mut self, measured: &Pose, limits: &Limits) -> Acted {
        let ahead_m = self.pose.position_m - measured.position_m;
        let ahead_rad = measured.rotation_to(&self.pose.orientation);
        let (mut leash_m, mut leash_rad) = (limits.reference_leash_m, limits.reference_leash_rad);
        if self.resistance.holds_back(&ahead_m) {
            // Nothing is gained by waiting where nobody is headed for.
            let pushes = self.velocity.linear_m_s.dot(&ahead_m) > 0.0;
            leash_m = leash_m.min(if pushes { limits.contact_leash_m } else { 0.0 });
        }
        if self.resistance.holds_back_turning(&ahead_rad) {
            let pushes = self.velocity.angular_rad_s.dot(&ahead_rad) > 0.0;
            leash_rad = leash_rad.min(if pushes { limits.contact_leash_rad } else { 0.0 });
        }
        let (pulled, leashed) = pull_back(&self.pose, measured, leash_m, leash_rad);
        let mut acted = Acted::default();
        if leashed {
            acted.note(Limit::Leash, true);
            let by_m = pulled.position_m - self.pose.position_m;
            let turn = pulled.orientation * self.pose.orientation.inverse();
            acted.add(self.shift(&by_m, &turn, limits));
        }
        acted
    }

    /// Moves reference, goal and all that is remembered of it.
    fn shift(&mut self, by_m: &Vector3<f64>, turn: &UnitQuaternion<f64>, limits: &Limits) -> Acted {
        let shifted = |pose: &Pose| {
            let (position_m, held) = confine_m(limits, &pose.position_m, &(pose.position_m + by_m));
            let orientation = UnitQuaternion::new_normalize((turn * pose.orientation).into_inner());
            (Pose { position_m, orientation }, held)
        };
        self.window.map(|pose| shifted(pose).0);
        self.goal = shifted(&self.goal).0;
        let (pose, held) = shifted(&self.pose);
        self.pose = pose;
        held
    }
}

/// Where a move of the reference from `from_m` to `to_m` may end, and what held it.
fn confine_m(limits: &Limits, from_m: &Vector3<f64>, to_m: &Vector3<f64>) -> (Vector3<f64>, Acted) {
    let inside_m = workspace::clip_m(limits, from_m, to_m);
    let end_m = keep_out::clip_m(&limits.keep_out, from_m, &inside_m);
    let mut acted = Acted::default();
    acted.note(Limit::Workspace, inside_m != *to_m);
    acted.note(Limit::KeepOut, end_m != inside_m);
    (end_m, acted)
}

/// `gain_per_s` times what is `missing`, at most `fastest` long.
fn feedback(missing: &Vector3<f64>, gain_per_s: f64, fastest: f64) -> Vector3<f64> {
    clip_norm(missing, fastest / gain_per_s) * gain_per_s
}

#[cfg(test)]
mod tests {
    use super::*;
    use jaco_core::{KeepOut, KeepOuts, STEP_S, TICKS_PER_STEP};

    fn start() -> Pose {
        Pose {
            position_m: Vector3::new(0.1, -0.4, 0.2),
            orientation: UnitQuaternion::from_scaled_axis(Vector3::new(3.0, 0.1, 0.0)),
        }
    }

    fn at(pose: Pose, limits: &Limits) -> Reference {
        Reference::at(pose, limits)
    }

    /// Ticks with an arm that is always at the reference; returns the twists.
    fn run(reference: &mut Reference, ticks: u64, limits: &Limits) -> Vec<Twist> {
        let mut sent = Twist::zero();
        let tick = |_| {
            let measured = *reference.pose();
            sent = reference.follow(&measured, &sent, limits).0;
            sent
        };
        (0..ticks).map(tick).collect()
    }

    #[test]
    fn without_smoothing_feed_forward_is_the_displacement_over_the_step() {
        let limits = Limits { smoothing_ms: 0, ..Limits::default() };
        let mut reference = at(start(), &limits);
        let (translation, rotation) = (Vector3::new(0.015, -0.007, 0.003), Vector3::z() * 0.09);
        let acted = reference.aim(&translation, &rotation, STEP_S, &limits);
        assert_eq!(acted, Acted::default());
        let twist = run(&mut reference, 1, &limits)[0];
        assert!((twist.linear_m_s - translation / STEP_S).norm() < 1e-12);
        assert!((twist.angular_rad_s - rotation / STEP_S).norm() < 1e-7);
    }

    #[test]
    fn the_twists_add_up_to_the_displacement_and_have_no_step() {
        let limits = Limits::default();
        let mut reference = at(start(), &limits);
        let (translation, rotation) =
            (Vector3::new(0.0, 0.011, 0.008), Vector3::new(0.0, 0.09, 0.03));
        reference.aim(&translation, &rotation, STEP_S, &limits);
        let mut twists = run(&mut reference, TICKS_PER_STEP, &limits);
        reference.rest();
        twists.extend(run(&mut reference, TICKS_PER_STEP, &limits));
        let want = UnitQuaternion::from_scaled_axis(rotation) * start().orientation;
        let end = reference.pose();
        assert!((end.position_m - start().position_m - translation).norm() < 1e-12);
        assert!(end.orientation.angle_to(&want) < 1e-7);
        let sum: Vector3<f64> = twists.iter().map(|twist| twist.linear_m_s * TICK_S).sum();
        assert!((sum - translation).norm() < 1e-12);
        assert_eq!(twists.last().map(|twist| twist.linear_m_s.norm() < 1e-12), Some(true));
        let mut before = Vector3::zeros();
        for twist in twists {
            let change = (twist.linear_m_s - before).norm();
            assert!(change <= limits.linear_acceleration_m_s2 * TICK_S + 1e-9, "{change}");
            before = twist.linear_m_s;
        }
    }

    #[test]
    fn a_displacement_through_the_table_ends_at_the_face_of_the_workspace() {
        let limits = Limits::default();
        let low = Pose { position_m: Vector3::new(0.0, -0.4, 0.04), ..start() };
        let mut reference = at(low, &limits);
        let displacement_m = Vector3::new(0.01, 0.0, -0.015);
        let acted = reference.aim(&displacement_m, &Vector3::zeros(), STEP_S, &limits);
        assert!(acted.holds(Limit::Workspace));
        run(&mut reference, TICKS_PER_STEP, &limits);
        reference.rest();
        run(&mut reference, TICKS_PER_STEP, &limits);
        assert!((reference.pose().position_m - Vector3::new(0.01, -0.4, 0.03)).norm() < 1e-12);
    }

    /// The mean of a way round a corner would cut the corner.
    #[test]
    fn a_way_round_a_keep_out_box_does_not_cut_its_corner() {
        let post = KeepOut { min_m: [0.105, -0.395, 0.0], max_m: [0.2, -0.3, 0.4] };
        let keep_out = KeepOuts::try_from(vec![post]).unwrap_or_default();
        let limits = Limits { keep_out, ..Limits::default() };
        let mut reference = at(start(), &limits);
        for aim_m in [Vector3::new(0.006, -0.001, 0.0), Vector3::new(0.0, 0.02, 0.0)] {
            for _ in 0..3 {
                reference.aim(&aim_m, &Vector3::zeros(), STEP_S, &limits);
                for _ in 0..TICKS_PER_STEP {
                    run(&mut reference, 1, &limits);
                    assert!(!post.contains(&reference.pose().position_m));
                }
            }
        }
    }

    #[test]
    fn feedback_pulls_toward_the_reference_and_is_bounded() {
        let limits = Limits::default();
        let mut reference = at(start(), &limits);
        let near = Pose { position_m: start().position_m - Vector3::x() * 0.002, ..start() };
        let (twist, _) = reference.follow(&near, &Twist::zero(), &limits);
        assert!((twist.linear_m_s - Vector3::x() * 0.005).norm() < 1e-12);
        let far = Pose { position_m: start().position_m - Vector3::x() * 0.035, ..start() };
        let (twist, _) = reference.follow(&far, &Twist::zero(), &limits);
        assert!((twist.linear_m_s - Vector3::x() * limits.feedback_linear_m_s).norm() < 1e-12);
    }
}
