//! Who steers the simulated arm, if not the pad: the keys of the terminal, or the scripted expert.
//! A velocity is told again every 50 ms for as long as it is meant: it ends by itself when nobody
//! tells it any more.

use super::table::Table;
use super::terminal::Key;
use jaco_api::Steer;
use jaco_cli::record::Source;
use jaco_core::{Action, STEP_NS};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// Speed of the tool point by keys \[m/s\].
const LINEAR_M_S: f64 = 0.1;
/// Speed of rotation by keys \[rad/s\].
const ANGULAR_RAD_S: f64 = 0.6;
/// How long a key is taken to be held: terminals tell of one that is down only now and then.
const KEY_HOLDS: Duration = Duration::from_millis(300);
/// Time between two tellings.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// Keys that steer, with what they do.
pub const STEERING_KEYS: &str = "arrows: x and y; u, j: up and down; o, l: turn; 1, 2: roll; \
                                 3, 4: pitch; g: gripper";

/// Whoever steers.
pub struct Hands {
    source: Source,
    steer: Steer,
    until: Option<Instant>,
    timer: Interval,
}

impl Hands {
    /// Those of `source`; a pad's are not here.
    pub fn of(source: Source) -> Self {
        let mut timer = interval(TELL_EVERY);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { source, steer: still(1.0), until: None, timer }
    }

    /// The next velocity to tell.
    pub async fn next(&mut self) -> Steer {
        if self.source == Source::Pad {
            return std::future::pending().await;
        }
        self.timer.tick().await;
        self.at(Instant::now())
    }

    fn at(&mut self, now: Instant) -> Steer {
        if self.source == Source::Keys && self.until.is_none_or(|until| now > until) {
            self.steer = still(self.steer.gripper);
        }
        self.steer
    }

    /// A step begins: the expert looks.
    pub async fn step(&mut self, table: &Table) -> anyhow::Result<()> {
        if self.source == Source::Expert {
            self.steer = velocity(&table.expert().await?);
            self.timer.reset_immediately();
        }
        Ok(())
    }

    /// A key is pressed.
    pub fn key(&mut self, key: Key) {
        if self.source != Source::Keys {
            return;
        }
        if key == Key::Sign('g') {
            self.steer.gripper = if self.steer.gripper > 0.5 { 0.0 } else { 1.0 };
            return;
        }
        let Some((axis, sign)) = meaning(key) else { return };
        self.steer = still(self.steer.gripper);
        match axis {
            0..3 => self.steer.linear_m_s[axis] = sign * LINEAR_M_S,
            _ => self.steer.angular_rad_s[axis - 3] = sign * ANGULAR_RAD_S,
        }
        self.until = Some(Instant::now() + KEY_HOLDS);
        self.timer.reset_immediately();
    }
}

/// The axis (x, y, z, then turns about them) that a key moves, and which way.
fn meaning(key: Key) -> Option<(usize, f64)> {
    Some(match key {
        Key::Left => (0, 1.0),
        Key::Right => (0, -1.0),
        Key::Up => (1, -1.0),
        Key::Down => (1, 1.0),
        Key::Sign('u') => (2, 1.0),
        Key::Sign('j') => (2, -1.0),
        Key::Sign('1') => (3, 1.0),
        Key::Sign('2') => (3, -1.0),
        Key::Sign('3') => (4, 1.0),
        Key::Sign('4') => (4, -1.0),
        Key::Sign('o') => (5, 1.0),
        Key::Sign('l') => (5, -1.0),
        Key::Sign(_) => return None,
    })
}

fn still(gripper: f64) -> Steer {
    Steer { linear_m_s: [0.0; 3], angular_rad_s: [0.0; 3], gripper }
}

/// The velocity that does `action` in one step.
fn velocity(action: &Action) -> Steer {
    let step_s = STEP_NS as f64 * 1e-9;
    Steer {
        linear_m_s: action.translation_m.map(|metres| metres / step_s),
        angular_rad_s: action.rotation_rad.map(|radians| radians / step_s),
        gripper: action.gripper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expert_s_action_is_a_velocity_for_one_step() {
        let action = Action { translation_m: [0.0125, 0.0, -0.025], ..Action::still(0.5) };
        let steer = velocity(&action);
        assert_eq!((steer.linear_m_s, steer.gripper), ([0.125, 0.0, -0.25], 0.5));
    }

    #[tokio::test]
    async fn a_key_that_is_let_go_moves_nothing_any_more() {
        let mut hands = Hands::of(Source::Keys);
        hands.key(Key::Up);
        let pressed = Instant::now();
        assert_eq!(hands.at(pressed).linear_m_s, [0.0, -LINEAR_M_S, 0.0]);
        hands.key(Key::Sign('g'));
        let steer = hands.at(pressed + KEY_HOLDS + TELL_EVERY);
        assert_eq!((steer.linear_m_s, steer.gripper), ([0.0; 3], 0.0));
    }
}
