//! Acceleration and jerk: how the commanded velocity may change from tick to tick.
//!
//! Both are one law, because a velocity can keep its speed limit under a jerk limit only if the
//! acceleration is taken back in time. Where the bounds allow it, the velocity is the wanted one
//! exactly. All bounds are balls: no direction is better off than another. Should they contradict
//! one another because they have just changed, speed goes before acceleration, and that before
//! jerk.

use super::speed::clip_norm;
use jaco_core::TICK_S;
use nalgebra::Vector3;

/// Halvings of the way from what is safe to what is wanted, next to the speed limit.
const HALVINGS: usize = 12;
/// What is this little beyond a bound is at it.
const ROUNDING: f64 = 1.0 + 1e-12;

/// The bounds for a tick, linear \[m/s\], \[m/s^2\], \[m/s^3\] or angular \[rad\] likewise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Most speed.
    pub speed: f64,
    /// Most change of the velocity, per second.
    pub acceleration: f64,
    /// Most change of the acceleration, per second.
    pub jerk: f64,
}

/// Which bounds acted in a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// The change of the velocity was cut.
    pub acceleration: bool,
    /// The change of the acceleration was cut.
    pub jerk: bool,
}

/// A velocity and how it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ramp {
    velocity: Vector3<f64>,
    acceleration: Vector3<f64>,
}

impl Ramp {
    /// The velocity.
    pub fn velocity(&self) -> Vector3<f64> {
        self.velocity
    }

    /// One tick of 10 ms towards `wanted`, which is within the speed limit.
    pub fn advance(&mut self, wanted: &Vector3<f64>, bounds: &Bounds) -> Cut {
        let missing = wanted - self.velocity;
        let exact = missing / TICK_S;
        // An acceleration that the bound has come to exclude is taken back at once.
        let excess = self.acceleration.norm() - bounds.acceleration;
        let most_change = (bounds.jerk * TICK_S).max(excess);
        let fits = |acceleration: &Vector3<f64>| {
            acceleration.norm() <= bounds.acceleration * ROUNDING
                && rest(&(self.velocity + acceleration * TICK_S), acceleration, bounds).norm()
                    <= bounds.speed * ROUNDING
        };
        let accelerates = exact.norm() > bounds.acceleration * ROUNDING;
        if !accelerates && (exact - self.acceleration).norm() <= most_change && fits(&exact) {
            (self.velocity, self.acceleration) = (*wanted, exact);
            return Cut::default();
        }
        let length = missing.norm();
        let aim =
            if length > 0.0 { missing * (approach(length, bounds) / length) } else { missing };
        let best = self.acceleration + clip_norm(&(aim - self.acceleration), most_change);
        let acceleration = if fits(&best) {
            best
        } else {
            let less = (self.acceleration.norm() - most_change).max(0.0);
            let (mut safe, mut best) = (clip_norm(&self.acceleration, less), best);
            for _ in 0..HALVINGS {
                let middle = (safe + best) / 2.0;
                if fits(&middle) {
                    safe = middle;
                } else {
                    best = middle;
                }
            }
            safe
        };
        let velocity = clip_norm(&(self.velocity + acceleration * TICK_S), bounds.speed);
        self.acceleration = (velocity - self.velocity) / TICK_S;
        self.velocity = velocity;
        Cut { acceleration: accelerates, jerk: !accelerates }
    }
}

/// The acceleration with which `missing` is made up for without passing it: it can be taken back
/// to nothing, jerk by jerk, by then.
fn approach(missing: f64, bounds: &Bounds) -> f64 {
    let change = bounds.jerk * TICK_S;
    let braked = change / 2.0 * ((1.0 + 8.0 * missing / (change * TICK_S)).sqrt() - 1.0);
    braked.min(missing / TICK_S).min(bounds.acceleration)
}

/// The velocity that is reached when `acceleration` is taken back to nothing from now on.
fn rest(velocity: &Vector3<f64>, acceleration: &Vector3<f64>, bounds: &Bounds) -> Vector3<f64> {
    let (mut left, mut gained) = (acceleration.norm(), 0.0);
    if left == 0.0 {
        return *velocity;
    }
    let (change, direction) = (bounds.jerk * TICK_S, acceleration / left);
    // The sum over whole ticks in closed form: it must not take longer for a small jerk.
    let ticks = (left / change).floor();
    left -= change;
    if ticks >= 1.0 {
        gained = TICK_S * (ticks * left - change * ticks * (ticks - 1.0) / 2.0);
    }
    velocity + direction * gained
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOVING: Bounds = Bounds { speed: 0.2, acceleration: 2.5, jerk: 100.0 };
    const BRAKING: Bounds = Bounds { speed: 0.2, acceleration: 5.0, jerk: 800.0 };

    fn run(ramp: &mut Ramp, wanted: Vector3<f64>, bounds: &Bounds) -> usize {
        (0..1000).take_while(|_| ramp.advance(&wanted, bounds) != Cut::default()).count()
    }

    #[test]
    fn what_is_within_the_bounds_is_followed_exactly() {
        let mut ramp = Ramp::default();
        for tick in 0..50_i32 {
            let wanted = Vector3::new(0.1 * (f64::from(tick) * 0.1).sin().powi(2), 0.02, 0.0)
                * (f64::from(tick) / 50.0);
            assert_eq!(ramp.advance(&wanted, &MOVING), Cut::default(), "tick {tick}");
            assert_eq!(ramp.velocity(), wanted);
        }
    }

    #[test]
    fn a_stop_takes_the_ticks_that_the_acceleration_gives() {
        let mut ramp = Ramp::default();
        run(&mut ramp, Vector3::x() * 0.2, &MOVING);
        assert_eq!(ramp.velocity(), Vector3::x() * 0.2);
        let ticks = run(&mut ramp, Vector3::zeros(), &BRAKING) + 1;
        assert_eq!((ticks, ramp.velocity()), (4, Vector3::zeros()));
    }

    #[test]
    fn a_stop_in_full_acceleration_takes_no_longer_than_one_at_full_speed() {
        let mut ramp = Ramp::default();
        for _ in 0..5 {
            ramp.advance(&(Vector3::x() * 0.2), &MOVING);
        }
        assert!(run(&mut ramp, Vector3::zeros(), &BRAKING) < 4);
    }

    #[test]
    fn a_jump_is_made_up_for_without_passing_it() {
        let (mut ramp, wanted) = (Ramp::default(), Vector3::new(0.0, 0.15, 0.0));
        let mut ticks = 0;
        while ramp.velocity() != wanted && ticks < 100 {
            ramp.advance(&wanted, &MOVING);
            assert!(ramp.velocity().y <= 0.15 + 1e-3);
            ticks += 1;
        }
        assert!(ticks < 12, "{ticks} ticks");
    }

    fn velocity() -> impl Strategy<Value = Vector3<f64>> {
        proptest::array::uniform3(-1.0..1.0_f64).prop_map(|v| clip_norm(&Vector3::from(v), 0.2))
    }

    proptest! {
        #[test]
        fn no_sequence_exceeds_speed_acceleration_or_jerk(
            asked in proptest::collection::vec((velocity(), 1..12_u8, any::<bool>()), 1..60),
        ) {
            let mut ramp = Ramp::default();
            let mut before = ramp;
            let mut braked = false;
            for (wanted, ticks, brakes) in asked {
                // Whoever brakes, brakes to a hold.
                let (bounds, wanted) =
                    if brakes { (BRAKING, Vector3::zeros()) } else { (MOVING, wanted) };
                for _ in 0..ticks {
                    ramp.advance(&wanted, &bounds);
                    let change = (ramp.velocity - before.velocity).norm();
                    let jerk = (ramp.acceleration - before.acceleration).norm() / TICK_S;
                    let most = if braked { BRAKING.jerk } else { bounds.jerk };
                    prop_assert!(ramp.velocity.norm() <= bounds.speed + 1e-12);
                    prop_assert!(change <= bounds.acceleration * TICK_S + 1e-12);
                    prop_assert!(jerk <= most + 1e-6, "{} of {}", jerk, most);
                    (before, braked) = (ramp, brakes);
                }
            }
        }

        #[test]
        fn it_arrives_and_stays(from in velocity(), to in velocity()) {
            let mut ramp = Ramp::default();
            run(&mut ramp, from, &MOVING);
            prop_assert!(run(&mut ramp, to, &MOVING) < 40);
            prop_assert_eq!(ramp.velocity(), to);
        }
    }
}
