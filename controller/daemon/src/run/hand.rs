//! A person's hand in a run: who drives, the policy or the pad. The dead-man takes the arm over,
//! letting go of it gives the arm back a moment later; a pad that fails gives nothing back. Pure but
//! for the pad it reads.

use crate::session::steer::{Grip, Hand, Wish};
use jaco_core::Twist;
use jaco_servo::Command;

/// How long the dead-man must be up until the policy goes on \[ns\]: a thumb that is put anew is no
/// giving back.
const GIVES_BACK_NS: u64 = 300_000_000;
/// How long a pad that fails in a person's hand may take to come back \[ns\].
const LOST_NS: u64 = 2_000_000_000;

/// Whose turn it is, and what the arm is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// The policy's, as before.
    Policy,
    /// A person takes over.
    Taken(Command),
    /// The person's, as before.
    Person(Command),
    /// The person gives the arm back.
    GivenBack,
    /// The pad failed while it was the person's turn: nobody may drive.
    Lost(String),
}

/// Who drives.
pub struct Takeover {
    hand: Hand,
    /// The person, while it is a person's turn.
    person: Option<Person>,
}

#[derive(Clone, Copy, Debug)]
struct Person {
    /// Since when the hand is as it is, if it does not hold the dead-man.
    since_ns: Option<(Grip, u64)>,
    gripper: f64,
}

impl Takeover {
    /// A run that the policy begins.
    pub fn new(hand: Hand) -> Self {
        Self { hand, person: None }
    }

    /// Whether it is a person's turn.
    pub fn by_person(&self) -> bool {
        self.person.is_some()
    }

    /// Looks at the hand; `gripper` is the opening that the arm was last told to head for.
    pub fn look(&mut self, now_ns: u64, gripper: f64) -> Turn {
        let gripper = self.person.map_or(gripper, |person| person.gripper);
        let wish = self.hand.wish(now_ns, gripper);
        self.turn(now_ns, gripper, &wish)
    }

    fn turn(&mut self, now_ns: u64, gripper: f64, wish: &Wish) -> Turn {
        let gripper = wish.gripper.unwrap_or(gripper);
        let jog = |twist: Twist| Command::Jog { twist, gripper };
        let Some(person) = &mut self.person else {
            if wish.grip != Grip::Held {
                return Turn::Policy;
            }
            self.person = Some(Person { since_ns: None, gripper });
            return Turn::Taken(jog(wish.twist));
        };
        person.gripper = gripper;
        let since_ns = person.since_ns.filter(|(grip, _)| *grip == wish.grip);
        person.since_ns = match wish.grip {
            Grip::Held => None,
            grip => since_ns.or(Some((grip, now_ns))),
        };
        match person.since_ns.map(|(grip, since_ns)| (grip, now_ns.saturating_sub(since_ns))) {
            Some((Grip::Away, GIVES_BACK_NS..)) => {
                self.person = None;
                Turn::GivenBack
            }
            Some((Grip::Lost, LOST_NS..)) => Turn::Lost(wish.still.clone().unwrap_or_default()),
            _ => Turn::Person(jog(wish.twist)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::steer::ClientSteer;
    use jaco_api::{SpeedMode, Steer};

    const MS: u64 = 1_000_000;

    fn wish(engaged: bool) -> Wish {
        grips(if engaged { Grip::Held } else { Grip::Away })
    }

    fn grips(grip: Grip) -> Wish {
        let engaged = grip == Grip::Held;
        Wish {
            twist: Twist::zero(),
            gripper: engaged.then_some(0.25),
            engaged,
            grip,
            speed: SpeedMode::Normal,
            still: None,
            pressed: vec![],
        }
    }

    #[test]
    fn the_dead_man_takes_over_and_letting_go_gives_back_a_moment_later() {
        let mut takeover = Takeover::new(Hand::Client(ClientSteer::default()));
        assert_eq!(takeover.turn(0, 1.0, &wish(false)), Turn::Policy);
        assert!(matches!(takeover.turn(10 * MS, 1.0, &wish(true)), Turn::Taken(_)));
        assert!(takeover.by_person());
        assert!(matches!(takeover.turn(20 * MS, 1.0, &wish(false)), Turn::Person(_)));
        // The thumb is put anew.
        assert!(matches!(takeover.turn(300 * MS, 1.0, &wish(true)), Turn::Person(_)));
        assert!(matches!(takeover.turn(310 * MS, 1.0, &wish(false)), Turn::Person(_)));
        assert!(matches!(takeover.turn(609 * MS, 1.0, &wish(false)), Turn::Person(_)));
        assert_eq!(takeover.turn(610 * MS, 1.0, &wish(false)), Turn::GivenBack);
        assert!(!takeover.by_person());
    }

    /// A pad that was pulled out of a person's hand gave the arm back to the policy.
    #[test]
    fn a_pad_that_fails_in_the_hand_gives_nothing_back() {
        let mut takeover = Takeover::new(Hand::Client(ClientSteer::default()));
        assert_eq!(takeover.turn(0, 1.0, &grips(Grip::Lost)), Turn::Policy);
        assert!(matches!(takeover.turn(0, 1.0, &wish(true)), Turn::Taken(_)));
        for now_ns in [10 * MS, 400 * MS, 2009 * MS] {
            assert!(matches!(takeover.turn(now_ns, 1.0, &grips(Grip::Lost)), Turn::Person(_)));
        }
        assert!(matches!(takeover.turn(2010 * MS, 1.0, &grips(Grip::Lost)), Turn::Lost(_)));
        // It is back, and held up: only now the policy's time counts.
        assert!(matches!(takeover.turn(2020 * MS, 1.0, &wish(false)), Turn::Person(_)));
        assert_eq!(takeover.turn(2320 * MS, 1.0, &wish(false)), Turn::GivenBack);
    }

    /// What the policy had gripped fell when a person took over.
    #[test]
    fn the_gripper_goes_on_with_what_it_was_told() {
        let slot = ClientSteer::default();
        let mut takeover = Takeover::new(Hand::Client(slot.clone()));
        let steer = Steer { linear_m_s: [0.0; 3], angular_rad_s: [0.0; 3], gripper: 0.0 };
        slot.put((0, steer));
        let Turn::Taken(Command::Jog { gripper, .. }) = takeover.look(1, 0.5) else {
            unreachable!("a fresh command of a client takes over")
        };
        assert_eq!(gripper, 0.0);
        let Turn::Person(Command::Jog { gripper, .. }) = takeover.turn(2, 0.0, &wish(false)) else {
            unreachable!("it is the person's turn")
        };
        assert_eq!(gripper, 0.0);
    }
}
