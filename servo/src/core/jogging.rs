//! Jog: a twist that a person gives, followed until the next one or until it is too old.

use super::check_action;
use super::path::{Path, RunningStep, Tally, Wanted, action_of};
use crate::command::Refusal;
use crate::executor::clock::StepClock;
use crate::limits::acted::Limit;
use crate::watchdog::Watchdog;
use jaco_core::{Action, ArmState, Limits, TICK_S, Twist};
use nalgebra::Vector3;

/// The state of Jog.
#[derive(Clone, Debug)]
pub(super) struct Jogging {
    twist: Twist,
    source: Watchdog,
    pub clock: StepClock,
    pub path: Path,
}

/// Refuses a twist or an opening that is not finite.
pub(super) fn check(twist: &Twist, gripper: f64) -> Result<(), Refusal> {
    check_action("Jog", &action_of(&twist.linear_m_s, &twist.angular_rad_s, gripper))
}

impl Jogging {
    /// Jog mode with nothing to follow; a twist older than `timeout_ns` is taken as zero.
    pub fn new(timeout_ns: u64) -> Self {
        Self {
            twist: Twist::zero(),
            source: Watchdog::new(timeout_ns),
            clock: StepClock::default(),
            path: Path::default(),
        }
    }

    /// Takes a checked twist and opening.
    pub fn steer(&mut self, now_ns: u64, twist: &Twist, gripper: f64, tally: &mut Tally) {
        self.source.heard(now_ns);
        self.twist = *twist;
        tally.gripper = gripper.clamp(0.0, 1.0);
    }

    pub fn tick(
        &mut self,
        now_ns: u64,
        state: &ArmState,
        sent: &Twist,
        limits: &Limits,
        tally: &mut Tally,
    ) -> Wanted {
        let stale = self.source.is_silent(now_ns);
        if stale {
            tally.counters.stale_jog_ticks += 1;
            self.twist = Twist::zero();
        }
        let mut reference = self.path.reference(state, limits);
        let mut step_started = None;
        if self.clock.at_boundary() {
            tally.counters.executed += 1;
            let step = self.clock.begin();
            let asked = Action::still(tally.gripper);
            self.path.running = Some(RunningStep::new(step, false, asked, None));
            step_started = Some(step);
        } else {
            self.clock.go_on();
        }
        let (asked_m, asked_rad) =
            (self.twist.linear_m_s * TICK_S, self.twist.angular_rad_s * TICK_S);
        let cut = reference.aim(&asked_m, &asked_rad, TICK_S, limits);
        tally.counters.clipped += u64::from(!cut.is_empty());
        if let Some(running) = &mut self.path.running {
            running.asked = action_of(
                &(Vector3::from(running.asked.translation_m) + asked_m),
                &(Vector3::from(running.asked.rotation_rad) + asked_rad),
                tally.gripper,
            );
        }
        let mut wanted = self.path.follow(reference, state, sent, limits, tally);
        wanted.step_started = step_started;
        wanted.acted.add(cut);
        wanted.acted.note(Limit::CommandAge, stale);
        wanted
    }
}
