//! A person's hand in a run: who drives, the policy or the pad. The dead-man takes the arm over,
//! letting go of it gives the arm back a moment later. Pure but for the pad it reads.

use crate::session::steer::{Hand, Wish};
use jaco_core::Twist;
use jaco_servo::Command;

/// How long the dead-man must be up until the policy goes on \[ns\]: a thumb that is put anew is no
/// giving back.
const GIVES_BACK_NS: u64 = 300_000_000;

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
}

/// Who drives.
pub struct Takeover {
    hand: Hand,
    /// Since when nobody steers, while it is a person's turn.
    person: Option<Person>,
}

#[derive(Clone, Copy, Debug)]
struct Person {
    let_go_ns: Option<u64>,
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
        match &mut self.person {
            None if wish.engaged => {
                self.person = Some(Person { let_go_ns: None, gripper });
                Turn::Taken(jog(wish.twist))
            }
            None => Turn::Policy,
            Some(person) => {
                person.gripper = gripper;
                person.let_go_ns = match (wish.engaged, person.let_go_ns) {
                    (true, _) => None,
                    (false, since_ns) => since_ns.or(Some(now_ns)),
                };
                let waited_ns = person.let_go_ns.map(|since_ns| now_ns.saturating_sub(since_ns));
                if waited_ns.is_some_and(|waited_ns| waited_ns >= GIVES_BACK_NS) {
                    self.person = None;
                    return Turn::GivenBack;
                }
                Turn::Person(jog(wish.twist))
            }
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
        Wish {
            twist: Twist::zero(),
            gripper: engaged.then_some(0.25),
            engaged,
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
