//! Which reading a tick makes, if any: one at most, in turn, and only where it fits. Pure.
//!
//! | reading | packets | how often while the arm is ours |
//! |---|---|---|
//! | pose and fingers | 1 | every second tick, 50 Hz |
//! | joints | 1 | 10 Hz |
//! | forces and torques | 1 | 10 Hz |
//! | joystick | 1 | 10 Hz |
//! | queue | 1 | 10 Hz |
//! | flags (QuickStatus) | 1 | 5 Hz |
//! | control type | 1 | 2.5 Hz |
//! | supply and temperatures; currents | 2; 1 | 1.25 Hz each |
//!
//! While homing: pose and flags at 40 Hz each, the joystick and joints at 10 Hz.
//!
//! The point of a tick goes first. A reading that would end too far into the next tick is left
//! out, and is in turn again; but a pose that grows old is read all the same.

use jaco_core::TICK_NS;

/// What a tick can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// GetCartesianPosition.
    Pose,
    /// GetAngularPosition.
    Joints,
    /// GetForcesInfo.
    Forces,
    /// GetGlobalTrajectoryInfo.
    Queue,
    /// GetJoystickValue.
    Joystick,
    /// GetQuickStatus.
    Status,
    /// GetControlType.
    ControlType,
    /// GetSensorsInfo.
    Sensors,
    /// GetAngularCurrent.
    Currents,
}

impl Read {
    /// Packets that it takes, in either direction.
    fn packets(self) -> u64 {
        match self {
            Read::Sensors => 2,
            _ => 1,
        }
    }
}

/// What is read beside the pose, in the ticks between: these in turn, and after them the next of
/// [`FIFTH`].
const BESIDE: [Read; 4] = [Read::Joints, Read::Forces, Read::Joystick, Read::Queue];
/// What is read less often; all of them take 800 ms.
const FIFTH: [Read; 8] = {
    use Read::{ControlType, Currents, Sensors, Status};
    [Status, ControlType, Status, Sensors, Status, ControlType, Status, Currents]
};

/// What is read while homing.
const HOMING: [Read; 10] = {
    use Read::{Joints, Joystick, Pose, Status};
    [Pose, Status, Pose, Status, Joystick, Pose, Status, Pose, Status, Joints]
};

/// How far into the next tick a reading may reach \[ns\]: that tick is late by as much.
const REACH_NS: u64 = 4_000_000;
/// Age from which the pose is read though it does not fit \[ns\].
const OLD_NS: u64 = 60_000_000;
/// Of the readings that are made though they do not fit, each so many is not of the pose.
const OTHERS: u32 = 3;
/// Calls in a row that are a while: one that takes long is nothing to tell of.
const SLOW_CALLS: u32 = 100;
/// Share by which a new measurement of a packet's time counts.
const NEWEST: f64 = 0.2;

/// Whose turn it is, and what a packet costs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Schedule {
    turn: usize,
    beside: usize,
    urgent: Option<Read>,
    packet_ns: f64,
    /// Calls in a row that found packets too slow.
    slow_calls: u32,
    homing: bool,
    /// Readings made though they did not fit.
    forced: u32,
}

impl Schedule {
    /// A call of one packet took so long \[ns\].
    pub fn cost(&mut self, took_ns: u64) {
        self.packet_ns += (took_ns as f64 - self.packet_ns) * NEWEST;
        let slow = self.packet_ns > (TICK_NS * 9 / 10) as f64;
        self.slow_calls = if slow { self.slow_calls.saturating_add(1) } else { 0 };
    }

    /// Whether the arm gets less than 100 points a second, and has for a while: with packets this
    /// slow, and something that must be read.
    pub fn is_too_slow(&self) -> bool {
        self.slow_calls >= SLOW_CALLS
    }

    /// What a packet takes, by the last calls \[ns\].
    pub fn packet_ns(&self) -> u64 {
        self.packet_ns as u64
    }

    /// Whether the turns are those of homing.
    pub fn set_homing(&mut self, homing: bool) {
        if self.homing != homing {
            (self.homing, self.turn) = (homing, 0);
        }
    }

    /// The next reading is of the pose.
    pub fn pose_next(&mut self) {
        self.turn = 0;
    }

    /// The next reading beside the pose is this one.
    pub fn urge(&mut self, read: Read) {
        self.urgent = Some(read);
    }

    /// The reading for a tick that is `now_ns` and whose successor is due at `next_due_ns`; the
    /// pose was last read at `pose_ns`.
    pub fn next(&mut self, now_ns: u64, next_due_ns: u64, pose_ns: u64) -> Option<Read> {
        let read = self.in_turn();
        let ends_ns = now_ns + read.packets() * self.packet_ns();
        if ends_ns <= next_due_ns + REACH_NS {
            self.took(read);
            return Some(read);
        }
        if now_ns.saturating_sub(pose_ns) <= OLD_NS {
            return None;
        }
        // The others must not starve where nothing ever fits.
        self.forced += 1;
        if self.forced.is_multiple_of(OTHERS) {
            self.turn += usize::from(read == Read::Pose);
            let beside = self.in_turn();
            self.took(beside);
            return Some(beside);
        }
        self.turn = 1;
        Some(Read::Pose)
    }

    fn in_turn(&self) -> Read {
        let turn = match (self.homing, self.turn.is_multiple_of(2)) {
            (true, _) => HOMING[self.turn % HOMING.len()],
            (false, true) => Read::Pose,
            (false, false) => beside(self.beside),
        };
        if turn == Read::Pose { turn } else { self.urgent.unwrap_or(turn) }
    }

    fn took(&mut self, read: Read) {
        self.turn += 1;
        if read != Read::Pose && self.urgent.take().is_none() && !self.homing {
            self.beside = self.beside.wrapping_add(1);
        }
    }
}

/// The reading of this place in the course beside the pose.
fn beside(place: usize) -> Read {
    let (round, within) = (place / (BESIDE.len() + 1), place % (BESIDE.len() + 1));
    BESIDE.get(within).copied().unwrap_or(FIFTH[round % FIFTH.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Counts of readings, points and the oldest pose \[ns\] over `ticks` of a loop whose packets take
    /// `packet_ns`.
    fn drive(packet_ns: u64, ticks: u64) -> (Vec<Read>, u64, u64) {
        let mut schedule = Schedule::default();
        let (mut now_ns, mut due_ns, mut pose_ns, mut oldest_ns) = (0_u64, 0_u64, 0_u64, 0);
        let (mut reads, mut points) = (Vec::new(), 0);
        while due_ns < ticks * TICK_NS {
            now_ns = now_ns.max(due_ns) + packet_ns;
            points += 1;
            schedule.cost(packet_ns);
            if let Some(read) = schedule.next(now_ns, due_ns + TICK_NS, pose_ns) {
                now_ns += read.packets() * packet_ns;
                reads.push(read);
                if read == Read::Pose {
                    pose_ns = now_ns;
                }
            }
            oldest_ns = oldest_ns.max(now_ns - pose_ns);
            // As the pacer: what is past by more than a tick is left out.
            let missed = now_ns.saturating_sub(due_ns + TICK_NS) / TICK_NS;
            due_ns += (1 + missed) * TICK_NS;
        }
        (reads, points, oldest_ns)
    }

    #[test]
    fn with_fast_calls_each_has_its_rate() {
        let (reads, points, _) = drive(100_000, 800);
        let rate = |of: Read| reads.iter().filter(|read| **read == of).count() as f64 / 8.0;
        assert_eq!(points, 800);
        assert_eq!(rate(Read::Pose), 50.0);
        for read in [Read::Joints, Read::Forces, Read::Joystick, Read::Queue] {
            assert_eq!(rate(read), 10.0, "{read:?}");
        }
        assert_eq!((rate(Read::Status), rate(Read::ControlType)), (5.0, 2.5));
        assert_eq!((rate(Read::Sensors), rate(Read::Currents)), (1.25, 1.25));
    }

    /// 5.5 and 7 ms a packet gave the arm 88 and 69 points a second.
    #[test]
    fn points_keep_their_rate_where_a_reading_each_tick_does_not_fit() {
        for (packet_ns, most) in [(5_500_000, 995), (7_000_000, 995), (8_500_000, 930)] {
            let (reads, points, oldest_ns) = drive(packet_ns, 1000);
            assert!(points >= most, "{points} points at {packet_ns} ns");
            assert!(oldest_ns < 160_000_000, "{oldest_ns} at {packet_ns} ns");
            assert!(reads.contains(&Read::Currents), "others starve at {packet_ns} ns");
        }
    }

    #[test]
    fn with_calls_longer_than_a_tick_the_pose_is_still_read() {
        let (reads, points, oldest_ns) = drive(12_000_000, 1000);
        assert!(reads.contains(&Read::Pose) && reads.contains(&Read::Status), "{reads:?}");
        assert!(points > 600 && oldest_ns < 200_000_000, "{points}, {oldest_ns}");
        let slow_after = |packet_ns, calls| {
            let mut schedule = Schedule::default();
            (0..calls).for_each(|_| schedule.cost(packet_ns));
            schedule.is_too_slow()
        };
        assert!(slow_after(12_000_000, 200) && !slow_after(8_000_000, 200));
        assert!(!slow_after(60_000_000, 50), "a few that take long are nothing to tell of");
    }

    #[test]
    fn while_homing_pose_and_flags_come_first() {
        let mut schedule = Schedule::default();
        schedule.set_homing(true);
        let reads: Vec<_> = (0..10).filter_map(|_| schedule.next(0, TICK_NS, 0)).collect();
        assert_eq!(reads.iter().filter(|read| **read == Read::Status).count(), 4);
        assert_eq!(reads.iter().filter(|read| **read == Read::Pose).count(), 4);
    }

    #[test]
    fn what_is_urgent_comes_first_and_takes_nobodys_turn() {
        let mut schedule = Schedule::default();
        schedule.urge(Read::Status);
        let reads: Vec<_> = (0..4).filter_map(|_| schedule.next(0, TICK_NS, 0)).collect();
        assert_eq!(reads, [Read::Pose, Read::Status, Read::Pose, Read::Joints]);
    }

    proptest! {
        #[test]
        fn a_reading_never_reaches_far_into_the_next_tick_unless_the_pose_is_old(
            costs_ns in prop::collection::vec(0_u64..20_000_000, 1..50),
        ) {
            let mut schedule = Schedule::default();
            for cost_ns in costs_ns {
                schedule.cost(cost_ns);
                if let Some(read) = schedule.next(0, TICK_NS, 0) {
                    let ends_ns = read.packets() * schedule.packet_ns();
                    prop_assert!(ends_ns <= TICK_NS + REACH_NS);
                }
            }
        }
    }
}
