//! What a pad is doing, as data: values by the names of controls, how often each button was
//! pressed, and when anything was last heard.
//!
//! Pure: it must never know a device, a thread or a clock.

use crate::settings::{PadAxis, PadButton};

/// From this value on a button is pressed.
const PRESSED: f64 = 0.6;
/// Down to this one it stays pressed, so that a trigger held half way does not chatter.
const RELEASED: f64 = 0.4;

/// What the chosen pad is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct PadState {
    /// Which plugging-in this is, counted from 1; None where no pad is chosen.
    pub connection: Option<u64>,
    /// When the pad's thread last showed that it lives, at least every 50 ms \[ns\].
    pub heartbeat_ns: u64,
    /// When the pad last said something \[ns\].
    pub heard_ns: u64,
    axes: [f64; PadAxis::COUNT],
    buttons: [Button; PadButton::COUNT],
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Button {
    value: f64,
    pressed: bool,
    presses: u32,
}

impl PadState {
    /// No pad, at `now_ns`.
    pub fn absent(now_ns: u64) -> Self {
        Self {
            connection: None,
            heartbeat_ns: now_ns,
            heard_ns: now_ns,
            axes: [0.0; PadAxis::COUNT],
            buttons: [Button::default(); PadButton::COUNT],
        }
    }

    /// A pad at rest that was plugged in at `now_ns`, for the `connection`th time.
    pub fn connected(connection: u64, now_ns: u64) -> Self {
        Self { connection: Some(connection), ..Self::absent(now_ns) }
    }

    /// Where the axis is, -1 to 1; right and up are positive. As the pad says it: it may be no
    /// number.
    pub fn axis(&self, axis: PadAxis) -> f64 {
        self.axes[axis.index()]
    }

    /// How far the button is pressed, 0 to 1. As the pad says it: it may be no number.
    pub fn value(&self, button: PadButton) -> f64 {
        self.buttons[button.index()].value
    }

    /// Whether the button is pressed.
    pub fn is_pressed(&self, button: PadButton) -> bool {
        self.buttons[button.index()].pressed
    }

    /// How often the button was pressed in this connection, so that none between two looks is
    /// missed.
    pub fn presses(&self, button: PadButton) -> u32 {
        self.buttons[button.index()].presses
    }

    /// The axis is now at `value`. A directional pad's ends are pressed with it.
    pub fn set_axis(&mut self, axis: PadAxis, value: f64) {
        self.axes[axis.index()] = value;
        let ends = match axis {
            PadAxis::DPadX => [PadButton::DPadLeft, PadButton::DPadRight],
            PadAxis::DPadY => [PadButton::DPadDown, PadButton::DPadUp],
            _ => return,
        };
        self.press(ends[0], -value);
        self.press(ends[1], value);
    }

    /// The button is now at `value`. The axis of a directional pad goes with its ends.
    pub fn set_button(&mut self, button: PadButton, value: f64) {
        self.press(button, value);
        if let Some(axis) = button.end_of() {
            let (low, high) = match axis {
                PadAxis::DPadX => (PadButton::DPadLeft, PadButton::DPadRight),
                _ => (PadButton::DPadDown, PadButton::DPadUp),
            };
            self.axes[axis.index()] = self.value(high) - self.value(low);
        }
    }

    fn press(&mut self, button: PadButton, value: f64) {
        let button = &mut self.buttons[button.index()];
        button.value = value;
        // What is no number neither presses nor releases.
        let pressed = match button.pressed {
            _ if !value.is_finite() => button.pressed,
            true => value > RELEASED,
            false => value >= PRESSED,
        };
        if pressed && !button.pressed {
            button.presses = button.presses.wrapping_add(1);
        }
        button.pressed = pressed;
    }
}
