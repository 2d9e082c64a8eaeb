//! Vices that come and go at random times, for rehearsals: the same seed gives the same schedule.
//! Pure: it says what is to be in force, and puts nothing in force.

use crate::random;
use jaco_core::TICK_S;
use jaco_sim_link::control::{Faults, Group};
use rand_chacha::ChaCha8Rng;

/// Stream of random numbers, apart from those of the table.
const STREAM: u64 = 1000;
/// How long the arm is itself between two vices \[s\].
const RESPITE_S: (f64, f64) = (2.0, 8.0);
/// How long a vice stays \[s\].
const STAY_S: (f64, f64) = (0.3, 4.0);

/// A schedule: one vice at a time, on top of the faults that are there all the time.
#[derive(Clone, Debug)]
pub struct Schedule {
    rng: ChaCha8Rng,
    always: Faults,
    /// Whether a vice of the schedule is in force.
    struck: bool,
    due_tick: u64,
}

impl Schedule {
    /// The schedule of `seed`, which begins at `tick`. `always` is in force all the time; what
    /// happens once does not happen again.
    pub fn new(seed: u64, always: Faults, tick: u64) -> Self {
        let always = Faults { block_once_ms: 0, take_control: false, power_cycle: false, ..always };
        let mut rng = random::generator(seed, STREAM);
        let due_tick = tick + ticks(&mut rng, RESPITE_S);
        Self { rng, always, struck: false, due_tick }
    }

    /// The tick of the next change.
    pub fn due_tick(&self) -> u64 {
        self.due_tick
    }

    /// What is to be in force from now on, if `tick` is that of a change.
    pub fn change(&mut self, tick: u64) -> Option<Faults> {
        if tick < self.due_tick {
            return None;
        }
        self.struck = !self.struck;
        let stay = if self.struck { STAY_S } else { RESPITE_S };
        self.due_tick = tick + ticks(&mut self.rng, stay);
        let mut faults = self.always.clone();
        if self.struck {
            let vice = whole(&mut self.rng, 0, VICES.len() as u32 - 1) as usize;
            VICES[vice](&mut faults, &mut self.rng);
        }
        Some(faults)
    }
}

type Vice = fn(&mut Faults, &mut ChaCha8Rng);

/// What may strike. An arm of another kind does not: an arm stays what it is.
const VICES: &[Vice] = &[
    |faults, rng| faults.slow_calls_ms = whole(rng, 5, 40).into(),
    |faults, rng| faults.packet_ms = random::uniform(rng, 1.0, 12.0),
    |faults, rng| faults.block_once_ms = whole(rng, 200, 3000).into(),
    |faults, _| faults.hang = true,
    |faults, rng| faults.fail_next_reads = whole(rng, 1, 40),
    |faults, rng| {
        faults.burst_failing_reads = whole(rng, 1, 4);
        faults.burst_good_reads = whole(rng, 2, 20);
    },
    |faults, rng| faults.lose_commands = whole(rng, 1, 200),
    |faults, _| faults.always_one = true,
    |faults, _| faults.arm_absent = true,
    |faults, rng| faults.wrong_replies = whole(rng, 1, 10),
    |faults, rng| faults.wrong_reply_every = whole(rng, 5, 50),
    |faults, rng| faults.pose_jump_m = random::uniform(rng, 0.02, 2.0),
    |faults, rng| {
        let groups = [Group::Pose, Group::Joints, Group::Fingers, Group::Force];
        faults.nan = vec![groups[whole(rng, 0, 3) as usize]];
    },
    |faults, rng| faults.finger_excess = random::uniform(rng, 0.01, 0.1),
    |faults, rng| faults.finger_drift_ticks_s = random::uniform(rng, -50.0, 50.0),
    |faults, _| faults.unbounded_joints = 1,
    |faults, rng| faults.force_bias_n[2] = random::uniform(rng, -15.0, 15.0),
    |faults, rng| faults.fifo_lag_ms = whole(rng, 50, 500).into(),
    |faults, rng| faults.retract_type = Some([0, 5, 6, 168][whole(rng, 0, 3) as usize]),
    |faults, _| faults.cartesian_fault = 1,
    |faults, rng| {
        faults.dead_zone_m_s = random::uniform(rng, 0.005, 0.03);
        faults.dead_zone_rad_s = random::uniform(rng, 0.05, 0.2);
    },
    |faults, rng| faults.singularity_creep = random::uniform(rng, 0.01, 0.1),
    |faults, _| faults.refuse_cartesian = true,
    |faults, _| faults.control_taken = true,
    |faults, _| faults.take_control = true,
    |faults, rng| faults.joystick_axis = random::uniform(rng, -1.0, 1.0) as f32,
    |faults, _| faults.power_cycle = true,
    |faults, _| faults.force_control_on = true,
    |faults, _| faults.torque_mode = true,
    |faults, _| faults.freeze_camera = true,
];

/// A whole number from `low` to `high`, both included.
fn whole(rng: &mut ChaCha8Rng, low: u32, high: u32) -> u32 {
    let drawn = random::uniform(rng, f64::from(low), f64::from(high) + 1.0);
    (drawn as u32).min(high)
}

/// A time between `low_s` and `high_s`, in ticks.
fn ticks(rng: &mut ChaCha8Rng, (low_s, high_s): (f64, f64)) -> u64 {
    (random::uniform(rng, low_s, high_s) / TICK_S) as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The first `count` changes, each with its tick.
    fn changes(seed: u64, always: &Faults, count: usize) -> Vec<(u64, Faults)> {
        let mut schedule = Schedule::new(seed, always.clone(), 0);
        let mut next = || {
            let tick = schedule.due_tick();
            assert_eq!(schedule.change(tick - 1), None);
            (tick, schedule.change(tick).unwrap())
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_another() {
        let healthy = Faults::default();
        assert_eq!(changes(7, &healthy, 100), changes(7, &healthy, 100));
        assert_ne!(changes(7, &healthy, 100), changes(8, &healthy, 100));
    }

    #[test]
    fn vices_come_one_at_a_time_with_respite_between_them() {
        let always = Faults { dead_zone_m_s: 0.01, ..Faults::default() };
        let mut last_tick = 0;
        for (i, (tick, faults)) in changes(3, &always, 1000).into_iter().enumerate() {
            let strikes = i % 2 == 0;
            assert_eq!(faults != always, strikes, "change {i}: {faults}");
            faults.check().unwrap();
            let passed_s = (tick - last_tick) as f64 * TICK_S;
            let (low_s, high_s) = if strikes { RESPITE_S } else { STAY_S };
            assert!(passed_s >= low_s - TICK_S && passed_s <= high_s, "{passed_s} s");
            last_tick = tick;
        }
    }

    #[test]
    fn every_vice_strikes_some_time() {
        let mut rng = random::generator(1, STREAM);
        let mut struck: Vec<usize> = changes(1, &Faults::default(), 1000)
            .into_iter()
            .filter_map(|(_, faults)| {
                let keys =
                    |faults: &Faults| faults.to_string().split(' ').next().map(str::to_owned);
                let key = keys(&faults);
                VICES.iter().position(|vice| {
                    let mut one = Faults::default();
                    vice(&mut one, &mut rng);
                    faults != Faults::default() && keys(&one) == key
                })
            })
            .collect();
        struck.sort_unstable();
        struck.dedup();
        assert_eq!(struck.len(), VICES.len(), "{struck:?}");
    }
}
