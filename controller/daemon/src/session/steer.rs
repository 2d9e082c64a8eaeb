//! Who steers: a pad, or on the simulated arm a client. Either way a velocity comes out that is
//! zero as soon as nobody asks for another.

use jaco_api::{SpeedMode, Steer};
use jaco_core::{Slot, Twist};
use jaco_teleop::pad::PadHandle;
use jaco_teleop::{Press, Speed, Steering, Still};
use nalgebra::Vector3;

/// How long a client's velocity holds \[ns\].
const CLIENT_HOLDS_NS: u64 = 200_000_000;

/// How long the pad shakes when a limit acts \[ms\].
const RUMBLE_MS: u32 = 80;

/// Where a client puts what it wants, with the time at which it came.
pub type ClientSteer = Slot<(u64, Steer)>;

/// Who steers.
pub enum Hand {
    /// A person with a pad.
    Pad {
        /// The pad.
        pad: PadHandle,
        /// What its sticks mean.
        steering: Box<Steering>,
        /// How hard it shakes, 0 to 1.
        rumble: f32,
    },
    /// A client.
    Client(ClientSteer),
}

/// How a hand is: whose turn it is in a run depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grip {
    /// It holds the dead-man, whether the arm follows it already or not.
    Held,
    /// It let go, or there never was one.
    Away,
    /// What it held has failed, or the stop was pressed: it is not known what the person wants.
    Lost,
}

/// What the arm is to do now.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Velocity of the tool point, base frame.
    pub twist: Twist,
    /// Gripper opening to head for; none = as it is.
    pub gripper: Option<f64>,
    /// Whether somebody moves the arm.
    pub engaged: bool,
    /// How the hand is.
    pub grip: Grip,
    /// How fast full deflection is.
    pub speed: SpeedMode,
    /// Why nothing moves.
    pub still: Option<String>,
    /// Buttons that were pressed since the last look.
    pub pressed: Vec<Press>,
}

impl Hand {
    /// What is wanted at `now_ns` of an arm whose gripper heads for `opening`.
    pub fn wish(&mut self, now_ns: u64, opening: f64) -> Wish {
        match self {
            Hand::Pad { pad, steering, .. } => {
                let steer = steering.step(now_ns, &pad.now(), opening);
                Wish {
                    twist: steer.twist,
                    gripper: steer.engaged.then_some(steer.gripper),
                    engaged: steer.engaged,
                    grip: grip(steer.still),
                    speed: match steer.speed {
                        Speed::Slow => SpeedMode::Slow,
                        Speed::Normal => SpeedMode::Normal,
                        Speed::Fast => SpeedMode::Fast,
                    },
                    still: steer.still.map(|still| still.to_string()),
                    pressed: steer.pressed,
                }
            }
            Hand::Client(slot) => client(now_ns, slot.get().as_deref()),
        }
    }

    /// Tells the hand that a limit holds the arm back.
    pub fn feel(&self) {
        if let Hand::Pad { pad, rumble, .. } = self {
            pad.rumble(*rumble, RUMBLE_MS);
        }
    }
}

fn grip(still: Option<Still>) -> Grip {
    match still {
        None | Some(Still::PressAnew | Still::SticksNotNeutral) => Grip::Held,
        Some(Still::DeadManUp | Still::NoPad) => Grip::Away,
        Some(
            Still::Unplugged
            | Still::Silent
            | Still::ThreadSilent
            | Still::Garbled
            | Still::Stopped,
        ) => Grip::Lost,
    }
}

fn client(now_ns: u64, newest: Option<&(u64, Steer)>) -> Wish {
    let fresh = newest.filter(|(came_ns, _)| now_ns.saturating_sub(*came_ns) <= CLIENT_HOLDS_NS);
    let twist = fresh.map_or_else(Twist::zero, |(_, steer)| Twist {
        linear_m_s: Vector3::from(steer.linear_m_s),
        angular_rad_s: Vector3::from(steer.angular_rad_s),
    });
    Wish {
        twist,
        // The hand keeps what it holds though its client is gone.
        gripper: newest.map(|(_, steer)| steer.gripper),
        engaged: fresh.is_some(),
        grip: if fresh.is_some() { Grip::Held } else { Grip::Away },
        speed: SpeedMode::Normal,
        still: fresh.is_none().then(|| "the client steers nothing".to_owned()),
        pressed: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that dies with the key held moves the arm for 0.2 s more, and lets nothing fall.
    #[test]
    fn what_a_client_asked_for_soon_is_nothing() {
        let linear_m_s = [0.1, 0.0, 0.0];
        let steer = Steer { linear_m_s, angular_rad_s: [0.0; 3], gripper: 0.25 };
        let newest = (1_000_000_000, steer);
        let held = client(1_200_000_000, Some(&newest));
        assert_eq!((held.twist.linear_m_s.x, held.engaged), (0.1, true));
        let gone = client(1_200_000_001, Some(&newest));
        assert_eq!((gone.twist, gone.engaged, gone.gripper), (Twist::zero(), false, Some(0.25)));
        assert_eq!(client(5, None).gripper, None);
    }
}
