//! Whether a person has taken the joystick. The firmware does not let the stick through while the
//! API has control, so this is how a person at the arm is noticed at all.

use super::api::Api;
use super::error::CallError;
use super::line::Line;
use kinova_sys::JoystickCommand;

/// An axis beyond this is a hand; below are a stick's own tolerances.
const HAND: f32 = 0.15;
/// Axes go from -1 to 1; a reply with one beyond this is another call's, read as if it fitted.
const MOST: f32 = 1.1;

/// Reads the joystick. `homing`: its buttons are ours, for one of them takes the arm home.
pub(super) fn read_hand<A: Api>(line: &Line<A>, homing: bool) -> Result<bool, CallError> {
    let mut reading = JoystickCommand::default();
    line.call("GetJoystickValue", |api| api.get_joystick_value(&mut reading))?;
    if homing {
        reading.ButtonValue = Default::default();
    }
    is_held(&reading).ok_or(CallError::Implausible { call: "GetJoystickValue" })
}

/// Whether the reading is a hand's: an axis away from the middle or a button pressed. `None` if
/// no joystick has such values.
fn is_held(reading: &JoystickCommand) -> Option<bool> {
    let axes = [
        reading.InclineLeftRight,
        reading.InclineForwardBackward,
        reading.Rotate,
        reading.MoveLeftRight,
        reading.MoveForwardBackward,
        reading.PushPull,
    ];
    let buttons = reading.ButtonValue;
    // NaN lies in no range.
    let plausible = axes.iter().all(|axis| (-MOST..=MOST).contains(axis))
        && buttons.iter().all(|button| matches!(button, 0 | 1));
    let held =
        axes.iter().any(|axis| axis.abs() > HAND) || buttons.iter().any(|button| *button != 0);
    plausible.then_some(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stick_in_the_middle_is_no_hand_and_any_axis_or_button_is() {
        let mut reading = JoystickCommand { Rotate: -0.15, PushPull: 0.1, ..Default::default() };
        assert_eq!(is_held(&reading), Some(false));
        reading.MoveLeftRight = -0.16;
        assert_eq!(is_held(&reading), Some(true));
        let mut pressed = JoystickCommand::default();
        pressed.ButtonValue[15] = 1;
        assert_eq!(is_held(&pressed), Some(true));
    }

    #[test]
    fn values_that_no_joystick_has_tell_nothing() {
        for axis in [f32::NAN, f32::INFINITY, -275.3, 1.2] {
            let reading = JoystickCommand { PushPull: axis, ..Default::default() };
            assert_eq!(is_held(&reading), None, "{axis}");
        }
        let mut reading = JoystickCommand::default();
        reading.ButtonValue[3] = 16_160;
        assert_eq!(is_held(&reading), None);
    }
}
