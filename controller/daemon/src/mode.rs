//! What the daemon may do when: its mode, and the table of which request is allowed in which mode.
//!
//! The mode is derived from the stop latch, from what the servo last said and from who may move
//! the arm; there is no further copy that could disagree.
//!
//! | request | no-arm | needs-home | idle | homing | running | handed-over | stopped |
//! |---|---|---|---|---|---|---|---|
//! | home | - | yes | yes | - | - | - | - |
//! | run | - | - | yes | - | - | - | - |
//! | steer | - | - | yes | - | - | - | - |
//! | hold | yes | yes | yes | yes | yes | yes | yes |
//! | stop | yes | yes | yes | yes | yes | yes | yes |
//! | reset | - | yes | yes | - | - | yes | yes |
//! | release | - | yes | yes | yes | yes | yes | - |
//! | take | - | yes | yes | - | - | yes | - |

use jaco_api::{Activity, Mode};
use jaco_servo::{Mode as ServoMode, ServoStatus};

/// A request of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Move to the home pose.
    Home,
    /// Let the policy drive, or replay a recording.
    Run,
    /// Let a person drive.
    Steer,
    /// End what is going on and hold.
    Hold,
    /// Stop and latch.
    Stop,
    /// Release a latched stop, or take the arm back from a person.
    Reset,
    /// End what is going on and leave the arm to the joystick.
    Release,
    /// Take the arm back.
    Take,
}

/// The mode, from the latch, the servo's newest status if there is one, and who may move the arm.
pub fn mode_of(latched: bool, status: Option<&ServoStatus>, activity: Activity) -> Mode {
    let Some(status) = status else {
        return if latched { Mode::Stopped } else { Mode::NoArm };
    };
    match (status.report.mode, activity) {
        _ if latched => Mode::Stopped,
        (ServoMode::Stopped, _) => Mode::Stopped,
        (ServoMode::HandedOver, _) => Mode::HandedOver,
        (ServoMode::Homing, _) | (_, Activity::Homing) => Mode::Homing,
        (_, Activity::Run | Activity::Teleoperation | Activity::Replay) => Mode::Running,
        (ServoMode::Policy | ServoMode::Motion | ServoMode::Jog, _) => Mode::Running,
        (ServoMode::Idle, _) if !status.homed => Mode::NeedsHome,
        (ServoMode::Idle, _) => Mode::Idle,
    }
}

/// Whether `request` is allowed in `mode`; if not, why, and what to do.
pub fn permit(mode: Mode, request: Request) -> Result<(), &'static str> {
    use Mode::{HandedOver, Homing, Idle, NeedsHome, NoArm, Running, Stopped};
    match (request, mode) {
        (Request::Hold | Request::Stop, _) => Ok(()),
        (_, NoArm) => Err("the arm does not answer: see `jaco status` for the reason"),
        (Request::Reset, NeedsHome | Idle | HandedOver | Stopped) => Ok(()),
        (Request::Release, NeedsHome | Idle | Homing | Running | HandedOver) => Ok(()),
        (Request::Take, NeedsHome | Idle | HandedOver) => Ok(()),
        (Request::Home, NeedsHome | Idle) | (Request::Run | Request::Steer, Idle) => Ok(()),
        (Request::Run | Request::Steer, NeedsHome) => {
            Err("the arm was not homed since its power-up: `jaco home` first")
        }
        (_, Stopped) => Err("a stop is latched: `jaco reset` releases it"),
        (_, HandedOver) => Err("the arm is left to the joystick: `jaco take` takes it back"),
        (_, Homing) => Err("the arm is moving to its home pose: wait, or `jaco stop`"),
        (_, Running) => Err(
            "the arm is being moved already (`jaco status` says by whom): wait for its end, or \
                              `jaco stop`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::tests::status_in;
    use Mode::{HandedOver, Homing, Idle, NeedsHome, NoArm, Running, Stopped};

    const MODES: [Mode; 7] = [NoArm, NeedsHome, Idle, Homing, Running, HandedOver, Stopped];

    #[test]
    fn the_table_in_the_head_comment_is_the_code() {
        let table = include_str!("mode.rs");
        for (name, request) in [
            ("home", Request::Home),
            ("run", Request::Run),
            ("steer", Request::Steer),
            ("hold", Request::Hold),
            ("stop", Request::Stop),
            ("reset", Request::Reset),
            ("release", Request::Release),
            ("take", Request::Take),
        ] {
            let row = table.lines().find(|line| line.starts_with(&format!("//! | {name} |")));
            let cells: Vec<&str> = row
                .unwrap_or_default()
                .split('|')
                .map(str::trim)
                .filter(|cell| matches!(*cell, "yes" | "-"))
                .collect();
            assert_eq!(cells.len(), MODES.len(), "{name}");
            for (mode, cell) in MODES.into_iter().zip(cells) {
                assert_eq!(permit(mode, request).is_ok(), cell == "yes", "{name} in {mode}");
            }
        }
    }

    #[test]
    fn motion_is_never_allowed_while_a_stop_is_latched() {
        for request in [Request::Home, Request::Run, Request::Steer] {
            assert!(permit(Stopped, request).is_err());
        }
    }

    /// After `jaco stop` and the death of the servo the mode was idle a second later.
    #[test]
    fn the_latch_outranks_whatever_a_servo_says() {
        for status in [None, Some(status_in(ServoMode::Idle)), Some(status_in(ServoMode::Policy))] {
            assert_eq!(mode_of(true, status.as_ref(), Activity::Nobody), Stopped);
        }
        assert_eq!(mode_of(false, None, Activity::Run), NoArm);
    }
}
