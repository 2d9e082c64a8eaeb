//! What the daemon may do when: its mode, derived from what the servo last said, and the table
//! of which request is allowed in which mode.
//!
//! The servo's word is the only state: there is no second copy that could disagree with the arm.
//!
//! | request | no-arm | needs-home | idle | homing | running | stopped |
//! |---|---|---|---|---|---|---|
//! | home | - | yes | yes | - | - | - |
//! | run | - | - | yes | - | - | - |
//! | hold | yes | yes | yes | yes | yes | yes |
//! | stop | yes | yes | yes | yes | yes | yes |
//! | reset | - | yes | yes | - | - | yes |

use crate::api::Mode;

/// A request of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Move to the home pose.
    Home,
    /// Let the policy drive.
    Run,
    /// End what is going on and hold.
    Hold,
    /// Stop and latch.
    Stop,
    /// Release a latched stop.
    Reset,
}

/// Whether `request` is allowed in `mode`; if not, why, and what to do.
pub fn permit(mode: Mode, request: Request) -> Result<(), &'static str> {
    use Mode::{Homing, Idle, NeedsHome, NoArm, Running, Stopped};
    match (request, mode) {
        (Request::Hold | Request::Stop, _) => Ok(()),
        (_, NoArm) => Err("the arm does not answer: see `jaco status` for the reason"),
        (Request::Reset, NeedsHome | Idle | Stopped) => Ok(()),
        (Request::Home, NeedsHome | Idle) | (Request::Run, Idle) => Ok(()),
        (Request::Run, NeedsHome) => {
            Err("the arm was not homed since its power-up: `jaco home` first")
        }
        (_, Stopped) => Err("a stop is latched: `jaco reset` releases it"),
        (_, Homing) => Err("the arm is moving to its home pose: wait, or `jaco stop`"),
        (_, Running) => Err("a run is under way: wait for its end, or `jaco stop`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Mode::{Homing, Idle, NeedsHome, NoArm, Running, Stopped};

    const MODES: [Mode; 6] = [NoArm, NeedsHome, Idle, Homing, Running, Stopped];

    #[test]
    fn the_table_in_the_head_comment_is_the_code() {
        let table = include_str!("mode.rs");
        for (name, request) in [
            ("home", Request::Home),
            ("run", Request::Run),
            ("hold", Request::Hold),
            ("stop", Request::Stop),
            ("reset", Request::Reset),
        ] {
            let row = table.lines().find(|line| line.starts_with(&format!("//! | {name} |")));
            let cells: Vec<&str> =
                row.unwrap_or_default().split('|').skip(2).map(str::trim).collect();
            for (mode, cell) in MODES.into_iter().zip(cells) {
                assert_eq!(permit(mode, request).is_ok(), cell == "yes", "{name} in {mode:?}");
            }
        }
    }

    #[test]
    fn motion_is_never_allowed_while_a_stop_is_latched() {
        for request in [Request::Home, Request::Run] {
            assert!(permit(Stopped, request).is_err());
        }
    }
}
