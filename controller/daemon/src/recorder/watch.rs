//! What in the servo's statuses is worth a record: a stop or a hold that the servo found by itself,
//! and what is newly wrong with the arm. Pure.

use jaco_flight::Kind;
use jaco_servo::{HoldReason, Mode, ServoStatus, StopReason};

/// Ticks of a servo process in which its readings of the arm are still coming in: what is found
/// then was so before.
const FIRST_TICKS: u64 = 300;

/// What `now` shows that `before`, the status before it of the same process, did not.
pub fn found(before: &ServoStatus, now: &ServoStatus) -> Option<(Kind, String)> {
    let (old, new) = (&before.report, &now.report);
    let entered = |mode| new.mode == mode && old.mode != mode;
    if entered(Mode::Stopped)
        && let Some(reason) = new.stop_reason
        && !matches!(reason, StopReason::Operator | StopReason::Supervisor)
    {
        return Some((Kind::ServoStopped, reason.to_string()));
    }
    let by_itself = matches!(
        new.hold_reason,
        HoldReason::CommanderSilent
            | HoldReason::StateOld
            | HoldReason::HomingFailed
            | HoldReason::DoesNotFollow
    );
    let taken = new.hold_reason == HoldReason::ControlTaken;
    if entered(Mode::Idle) && by_itself || entered(Mode::HandedOver) && taken {
        return Some((Kind::ServoHeld, new.hold_reason.to_string()));
    }
    let condition = now.conditions.iter().find(|condition| !before.conditions.holds(*condition));
    let condition = condition.filter(|_| now.ticks > FIRST_TICKS)?;
    Some((Kind::ArmFault, condition.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::tests::status_in;
    use jaco_servo::Condition;

    fn stopped(reason: StopReason) -> ServoStatus {
        let mut status = status_in(Mode::Stopped);
        status.report.stop_reason = Some(reason);
        status
    }

    fn kind(before: &ServoStatus, now: &ServoStatus) -> Option<Kind> {
        found(before, now).map(|(kind, _)| kind)
    }

    #[test]
    fn a_stop_that_the_servo_found_is_and_one_that_was_asked_for_is_not() {
        let moving = status_in(Mode::Policy);
        let grew = stopped(StopReason::QueueGrew);
        assert_eq!(kind(&moving, &grew), Some(Kind::ServoStopped));
        assert_eq!(kind(&grew, &grew), None);
        assert_eq!(kind(&moving, &stopped(StopReason::Operator)), None);
    }

    #[test]
    fn a_hold_for_want_of_a_commander_is_and_one_that_was_asked_for_is_not() {
        let moving = status_in(Mode::Policy);
        let mut holds = status_in(Mode::Idle);
        holds.report.hold_reason = HoldReason::CommanderSilent;
        assert_eq!(kind(&moving, &holds), Some(Kind::ServoHeld));
        holds.report.hold_reason = HoldReason::Asked;
        assert_eq!(kind(&moving, &holds), None);
    }

    #[test]
    fn what_is_newly_wrong_with_the_arm_is_and_what_was_so_at_the_start_is_not() {
        let well = status_in(Mode::Idle);
        let mut ill = ServoStatus { ticks: FIRST_TICKS + 1, ..well };
        ill.conditions.set(Condition::NoControl, true);
        assert_eq!(kind(&well, &ill), Some(Kind::ArmFault));
        assert_eq!(kind(&ill, &ill), None);
        ill.ticks = FIRST_TICKS;
        assert_eq!(kind(&well, &ill), None);
    }
}
