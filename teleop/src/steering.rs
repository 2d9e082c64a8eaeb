//! From what a pad is doing to what the arm shall do: the dead-man, the speeds, the shape of the
//! sticks' response, the buttons.
//!
//! Pure: state and time in, twist out. Motion needs a pad that is there and heard, sticks that were
//! let go since the dead-man was pressed, and a dead-man that was pressed since anything was wrong;
//! in doubt nothing moves. It must never read a clock or know a device.

use crate::pad::PadState;
use crate::settings::{AxisBinding, Chord, PadAxis, PadButton, TeleopSettings};
use jaco_core::{Twist, Word};
use nalgebra::{Rotation3, Vector3};
use std::fmt;

/// A pad's thread that shows no life for longer is hung \[ns\].
pub const HEARTBEAT_AGE_NS: u64 = 100_000_000;
/// A pad that was just plugged in repeats what is held on it; that is no press \[ns\].
pub const SETTLE_NS: u64 = 300_000_000;
/// The gripper's target goes on for at most this long between two steps \[ns\].
const LONGEST_STEP_NS: u64 = 50_000_000;
/// From this value on a directional pad is pressed.
const DPAD_PRESSED: f64 = 0.5;

/// How fast the pad moves the arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Speed {
    /// For the last centimetre.
    Slow,
    /// For most.
    Normal,
    /// For the way.
    Fast,
}

impl Speed {
    fn faster(self) -> Self {
        if self == Self::Slow { Self::Normal } else { Self::Fast }
    }

    fn slower(self) -> Self {
        if self == Self::Fast { Self::Normal } else { Self::Slow }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slow => "slow",
            Self::Normal => "normal",
            Self::Fast => "fast",
        })
    }
}

/// Why nothing moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Still {
    /// There was no pad yet.
    #[error("no gamepad is there: plug one in")]
    NoPad,
    /// The pad is gone.
    #[error("the gamepad is gone (unplugged, or its battery is empty): plug it in again")]
    Unplugged,
    /// The pad said nothing for too long while it steered.
    #[error(
        "the gamepad says nothing: is it out of reach? Let go of everything, then press the \
         dead-man again"
    )]
    Silent,
    /// The thread that reads pads is hung.
    #[error("the gamepad is not read any more: if it stays so, restart jacod")]
    ThreadSilent,
    /// The pad sends values that are no numbers.
    #[error("the gamepad sends values that are no numbers: use another pad")]
    Garbled,
    /// The stop was pressed on the pad.
    #[error("stopped from the gamepad: `jaco reset` releases the stop")]
    Stopped,
    /// The dead-man is up.
    #[error("the dead-man is up: hold it to move")]
    DeadManUp,
    /// The dead-man was held before it could count.
    #[error("the dead-man was held already: let go of it, then press it again")]
    PressAnew,
    /// The dead-man was pressed while a stick was deflected.
    #[error("a stick, the d-pad or a trigger is not at rest: let go of them, then move")]
    SticksNotNeutral,
}

/// A button was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Press {
    /// Start an episode; keep it when one is under way.
    StartKeep,
    /// Throw the episode away.
    Discard,
    /// Throw the episode away and record it again.
    ReRecord,
    /// Label the episode a success.
    Success,
    /// Label the episode a failure.
    Failure,
    /// Stop the arm; with the dead-man held or not.
    Stop,
    /// The next faster speed; taken into account already.
    SpeedUp,
    /// The next slower speed; taken into account already.
    SpeedDown,
}

/// What the arm shall do.
#[derive(Clone, Debug, PartialEq)]
pub struct Steer {
    /// Velocity of the tool point, base frame; zero unless engaged.
    pub twist: Twist,
    /// Opening to head for, 1 open; the measured one unless engaged.
    pub gripper: f64,
    /// Whether the pad moves the arm: the dead-man is held and all is well.
    pub engaged: bool,
    /// How fast.
    pub speed: Speed,
    /// Why nothing moves; None while engaged.
    pub still: Option<Still>,
    /// Buttons pressed since the last step.
    pub pressed: Vec<Press>,
}

/// What a pad is doing becomes what the arm shall do.
#[derive(Clone, Debug)]
pub struct Steering {
    settings: TeleopSettings,
    speed: Speed,
    clutch: Clutch,
    seen: Option<Seen>,
    last_ns: u64,
    /// The gripper's target, or the last opening that was a number.
    opening: f64,
}

/// Whether the pad moves the arm.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Clutch {
    Open {
        /// Whether all was well at the last step: a press since then is one after the fault.
        well: bool,
        /// Whether the dead-man was seen up since all is well.
        released: bool,
        /// When the pad was last heard, if its silence opened the clutch.
        silent_since_ns: Option<u64>,
    },
    Engaged {
        since_ns: u64,
    },
}

const TRIPPED: Clutch = Clutch::Open { well: false, released: false, silent_since_ns: None };

/// What the buttons say in a step.
#[derive(Clone, Debug, Default)]
struct Buttons {
    pressed: Vec<Press>,
    /// The dead-man went down since the last step, so it was up before.
    dead_man_anew: bool,
    /// What is held since the plugging-in is told by now.
    settled: bool,
}

/// What was known of the pad at the last step.
#[derive(Clone, Copy, Debug)]
struct Seen {
    connection: u64,
    /// When this connection was first seen.
    since_ns: u64,
    presses: [u32; PadButton::COUNT],
    chord: bool,
}

impl Steering {
    /// Nothing moves yet; the speed is the normal one.
    pub fn new(settings: &TeleopSettings) -> Self {
        Self {
            settings: settings.clone(),
            speed: Speed::Normal,
            clutch: TRIPPED,
            seen: None,
            last_ns: 0,
            opening: 1.0,
        }
    }

    /// What to do at `now_ns` with the pad as it is, and the gripper's measured `opening` (1 open).
    pub fn step(&mut self, now_ns: u64, pad: &PadState, opening: f64) -> Steer {
        let elapsed_ns = now_ns.saturating_sub(self.last_ns).min(LONGEST_STEP_NS);
        self.last_ns = now_ns;
        let buttons = self.look(now_ns, pad);
        let moved = self
            .clutch(now_ns, pad, &buttons)
            .and_then(|since_ns| self.drive(now_ns, since_ns, elapsed_ns, pad));
        let (twist, still) = match moved {
            Ok(twist) => (twist, None),
            Err(still) => (Twist::zero(), Some(still)),
        };
        // The gripper's target begins where the gripper is.
        let begins = matches!(self.clutch, Clutch::Engaged { since_ns } if since_ns == now_ns);
        if (still.is_some() || begins) && opening.is_finite() {
            self.opening = opening.clamp(0.0, 1.0);
        }
        Steer {
            twist,
            gripper: self.opening,
            engaged: still.is_none(),
            speed: self.speed,
            still,
            pressed: buttons.pressed,
        }
    }

    /// What was pressed since the last step. The speed changes with it.
    fn look(&mut self, now_ns: u64, pad: &PadState) -> Buttons {
        let Some(connection) = pad.connection else { return Buttons::default() };
        let bindings = &self.settings.bindings;
        let presses = std::array::from_fn(|index| pad.presses(PadButton::ALL[index]));
        let both = |chord: Chord| pad.is_pressed(chord.0) && pad.is_pressed(chord.1);
        let chord = bindings.stop_chord.is_some_and(both);
        let before = self.seen.filter(|seen| seen.connection == connection).unwrap_or_else(|| {
            self.clutch = TRIPPED;
            Seen { connection, since_ns: now_ns, presses, chord }
        });
        self.seen = Some(Seen { presses, chord, ..before });
        let is_pressed = |button: Option<PadButton>| {
            button.is_some_and(|b| presses[b.index()] != before.presses[b.index()])
        };
        let functions = [
            (Press::StartKeep, bindings.start_keep),
            (Press::Discard, bindings.discard),
            (Press::ReRecord, bindings.re_record),
            (Press::Success, bindings.success),
            (Press::Failure, bindings.failure),
            (Press::SpeedUp, bindings.faster),
            (Press::SpeedDown, bindings.slower),
        ];
        let mut pressed = Vec::new();
        // A stop counts whatever else is the matter.
        if is_pressed(bindings.stop) || (chord && !before.chord) {
            pressed.push(Press::Stop);
        }
        let settled = now_ns.saturating_sub(before.since_ns) >= SETTLE_NS;
        if settled {
            let others = functions.into_iter().filter(|(_, button)| is_pressed(*button));
            pressed.extend(others.map(|(press, _)| press));
        }
        let dead_man_anew = is_pressed(Some(bindings.dead_man));
        for press in &pressed {
            match press {
                Press::SpeedUp => self.speed = self.speed.faster(),
                Press::SpeedDown => self.speed = self.speed.slower(),
                _ => {}
            }
        }
        Buttons { pressed, dead_man_anew, settled }
    }

    /// Since when the pad moves the arm, or why it does not.
    fn clutch(&mut self, now_ns: u64, pad: &PadState, buttons: &Buttons) -> Result<u64, Still> {
        let stopped = buttons.pressed.contains(&Press::Stop).then_some(Still::Stopped);
        if let Some(still) = stopped.or_else(|| self.fault(now_ns, pad)) {
            self.clutch = TRIPPED;
            return Err(still);
        }
        let held = pad.is_pressed(self.settings.bindings.dead_man);
        let (well, mut released) = match self.clutch {
            Clutch::Engaged { since_ns } if held && !buttons.dead_man_anew => return Ok(since_ns),
            Clutch::Engaged { .. } => (true, true),
            Clutch::Open { silent_since_ns: Some(heard_ns), .. } if pad.heard_ns <= heard_ns => {
                return Err(Still::Silent);
            }
            Clutch::Open { well, released, .. } => (well, released),
        };
        // It was up in between if it was pressed anew, though no step saw it.
        released |= buttons.settled && (!held || (well && buttons.dead_man_anew));
        self.clutch = Clutch::Open { well: true, released, silent_since_ns: None };
        match (held, released) {
            (false, _) => Err(Still::DeadManUp),
            (true, false) => Err(Still::PressAnew),
            (true, true) if !self.is_neutral(pad) => Err(Still::SticksNotNeutral),
            (true, true) => {
                self.clutch = Clutch::Engaged { since_ns: now_ns };
                Ok(now_ns)
            }
        }
    }

    /// What is wrong with the pad.
    fn fault(&self, now_ns: u64, pad: &PadState) -> Option<Still> {
        if pad.connection.is_none() {
            return Some(if self.seen.is_some() { Still::Unplugged } else { Still::NoPad });
        }
        if now_ns.saturating_sub(pad.heartbeat_ns) > HEARTBEAT_AGE_NS {
            return Some(Still::ThreadSilent);
        }
        let axes = PadAxis::ALL.iter().map(|&axis| pad.axis(axis));
        let buttons = PadButton::ALL.iter().map(|&button| pad.value(button));
        let garbled = axes.chain(buttons).any(|value| !value.is_finite());
        garbled.then_some(Still::Garbled)
    }

    /// The twist for an arm that the pad has moved since `since_ns`. The gripper's target goes on.
    fn drive(
        &mut self,
        now_ns: u64,
        since_ns: u64,
        elapsed_ns: u64,
        pad: &PadState,
    ) -> Result<Twist, Still> {
        if !self.is_neutral(pad) && self.is_silent(now_ns, pad) {
            self.clutch =
                Clutch::Open { well: false, released: false, silent_since_ns: Some(pad.heard_ns) };
            return Err(Still::Silent);
        }
        let s = &self.settings;
        let (linear_m_s, angular_rad_s) = match self.speed {
            Speed::Slow => (s.slow_m_s, s.slow_rad_s),
            Speed::Normal => (s.normal_m_s, s.normal_rad_s),
            Speed::Fast => (s.fast_m_s, s.fast_rad_s),
        };
        let ramp_ns = s.engage_ramp_ms * 1_000_000;
        let engaged_ns = now_ns.saturating_sub(since_ns);
        let ramp = if engaged_ns < ramp_ns { engaged_ns as f64 / ramp_ns as f64 } else { 1.0 };
        let b = &s.bindings;
        let trigger = |button: Option<PadButton>| {
            button.map_or(0.0, |button| beyond(pad.value(button), s.dead_zone))
        };
        let opens = (trigger(b.open) - trigger(b.close)) * s.gripper_per_s * ramp;
        self.opening = (self.opening + opens * elapsed_ns as f64 * 1e-9).clamp(0.0, 1.0);
        let bound = |axis: Option<AxisBinding>| axis.map_or(0.0, |axis| self.deflection(axis, pad));
        let turned =
            Rotation3::from_axis_angle(&Vector3::z_axis(), s.operator_yaw_deg.to_radians());
        let linear = turned * Vector3::new(bound(b.x), bound(b.y), bound(b.z));
        let angular = turned * Vector3::new(bound(b.roll), bound(b.pitch), bound(b.yaw));
        Ok(Twist {
            linear_m_s: at_most_one(linear) * (linear_m_s * ramp),
            angular_rad_s: at_most_one(angular) * (angular_rad_s * ramp),
        })
    }

    fn is_silent(&self, now_ns: u64, pad: &PadState) -> bool {
        now_ns.saturating_sub(pad.heard_ns) > self.settings.silent_after_ms * 1_000_000
    }

    /// Whether nothing that moves the arm is touched.
    fn is_neutral(&self, pad: &PadState) -> bool {
        let b = &self.settings.bindings;
        let axes = [b.x, b.y, b.z, b.roll, b.pitch, b.yaw].into_iter().flatten();
        let triggers = [b.open, b.close].into_iter().flatten();
        axes.into_iter().all(|axis| self.deflection(axis, pad) == 0.0)
            && triggers.into_iter().all(|b| beyond(pad.value(b), self.settings.dead_zone) == 0.0)
    }

    /// How far an axis asks for motion, -1 to 1: a stick's two axes share a round dead zone, beyond
    /// which the response begins at zero.
    fn deflection(&self, bound: AxisBinding, pad: &PadState) -> f64 {
        let (x, y) = match bound.axis {
            PadAxis::LeftStickX | PadAxis::LeftStickY => (PadAxis::LeftStickX, PadAxis::LeftStickY),
            PadAxis::RightStickX | PadAxis::RightStickY => {
                (PadAxis::RightStickX, PadAxis::RightStickY)
            }
            PadAxis::DPadX | PadAxis::DPadY => {
                let value = pad.axis(bound.axis);
                let pressed = if value.abs() < DPAD_PRESSED { 0.0 } else { value.signum() };
                return if bound.inverted { -pressed } else { pressed };
            }
        };
        let radius = pad.axis(x).hypot(pad.axis(y));
        let asked = beyond(radius, self.settings.dead_zone).powf(self.settings.curve);
        if asked == 0.0 {
            return 0.0;
        }
        let value = asked * pad.axis(bound.axis) / radius;
        if bound.inverted { -value } else { value }
    }
}

/// What lies beyond the dead zone, stretched so that it begins at 0 and ends at 1.
fn beyond(value: f64, dead_zone: f64) -> f64 {
    if value <= dead_zone { 0.0 } else { ((value - dead_zone) / (1.0 - dead_zone)).min(1.0) }
}

/// The same direction, not longer than 1.
fn at_most_one(vector: Vector3<f64>) -> Vector3<f64> {
    vector / vector.norm().max(1.0)
}
