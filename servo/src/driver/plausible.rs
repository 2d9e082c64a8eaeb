//! Whether a reading can be the arm's: what speed and age cannot explain is refused. Pure.
//!
//! The SDK compares no reply with its request, so that a pose can hold the joints' degrees, or
//! another reply. One such reading would move the arm. A pose that stays elsewhere is taken as
//! true after a while, for an arm can have been moved while nobody read it; whoever commands it
//! has been told long before ([`PoseJudge::refused_for_ns`]).

use jaco_core::Pose;
use jaco_core::state::JOINTS;
use nalgebra::Vector3;

/// Faster than the tool of a Jaco2 can be: its joints turn at 36 and 48 deg/s \[m/s\], \[rad/s\].
const MOST_M_S: f64 = 0.8;
const MOST_RAD_S: f64 = 4.0;
/// What two readings of a resting arm may differ by \[m\], \[rad\].
const NOISE_M: f64 = 0.005;
const NOISE_RAD: f64 = 0.05;
/// The tool is never further from the base's origin \[m\]: 0.911 m beyond a shoulder at 0.28 m, and
/// a tool of its own on the hand.
const REACH_M: f64 = 1.6;
/// A longer gap explains no more than this \[ns\].
const LONGEST_GAP_NS: u64 = 1_000_000_000;
/// Refused readings that agree with each other for so long are the truth \[ns\].
const AGREED_NS: u64 = 500_000_000;
/// Faster than a joint turns \[rad/s\], and what two readings may differ by \[rad\].
const JOINT_RAD_S: f64 = 1.2;
const JOINT_NOISE_RAD: f64 = 0.03;

/// A reading and when it was made \[ns\].
type Seen = (u64, Pose);

/// A reading that no arm can have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    /// How far from the last reading taken \[m\].
    pub moved_m: f64,
    /// How far turned from it \[rad\].
    pub turned_rad: f64,
    /// How long after it \[ns\].
    pub after_ns: u64,
}

/// Judges poses by the one before.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoseJudge {
    taken: Option<Seen>,
    refused: Option<Refused>,
}

/// Readings refused in a row.
#[derive(Clone, Copy, Debug)]
struct Refused {
    since_ns: u64,
    /// The newest, and since when they have agreed with each other.
    last: Seen,
    agreed_since_ns: u64,
}

impl PoseJudge {
    /// Takes the pose read at `now_ns`, or says why it cannot be.
    pub fn judge(&mut self, now_ns: u64, pose: &Pose) -> Result<(), Jump> {
        let within_reach = pose.position_m.norm() <= REACH_M;
        let jump = match &self.taken {
            None if within_reach => None,
            None => Some(jump_from(&(now_ns, origin()), now_ns, pose)),
            Some(before) => {
                let since_ns = self.refused.map_or(now_ns, |refused| refused.since_ns);
                let explained = within_reach && explains(before, since_ns, pose);
                (!explained).then(|| jump_from(before, now_ns, pose))
            }
        };
        let Some(jump) = jump else {
            self.take(now_ns, pose);
            return Ok(());
        };
        let refused = match self.refused {
            Some(refused) => {
                let agrees = within_reach && explains(&refused.last, now_ns, pose);
                let agreed_since_ns = if agrees { refused.agreed_since_ns } else { now_ns };
                Refused { last: (now_ns, *pose), agreed_since_ns, ..refused }
            }
            None => Refused { since_ns: now_ns, last: (now_ns, *pose), agreed_since_ns: now_ns },
        };
        if within_reach && now_ns.saturating_sub(refused.agreed_since_ns) > AGREED_NS {
            self.take(now_ns, pose);
            return Ok(());
        }
        self.refused = Some(refused);
        Err(jump)
    }

    /// For how long nothing but such readings has come \[ns\].
    pub fn refused_for_ns(&self, now_ns: u64) -> u64 {
        self.refused.map_or(0, |refused| now_ns.saturating_sub(refused.since_ns))
    }

    /// How long ago the newest of them came \[ns\]; `None` if there are none.
    pub fn refused_ago_ns(&self, now_ns: u64) -> Option<u64> {
        self.refused.map(|refused| now_ns.saturating_sub(refused.last.0))
    }

    fn take(&mut self, now_ns: u64, pose: &Pose) {
        (self.taken, self.refused) = (Some((now_ns, *pose)), None);
    }
}

fn origin() -> Pose {
    Pose::from_kinova(Vector3::zeros(), [0.0; 3])
}

fn explains(before: &Seen, at_ns: u64, pose: &Pose) -> bool {
    let jump = jump_from(before, at_ns, pose);
    let gap_s = jump.after_ns.min(LONGEST_GAP_NS) as f64 * 1e-9;
    jump.moved_m <= NOISE_M + MOST_M_S * gap_s && jump.turned_rad <= NOISE_RAD + MOST_RAD_S * gap_s
}

fn jump_from((before_ns, before): &Seen, at_ns: u64, pose: &Pose) -> Jump {
    Jump {
        moved_m: (pose.position_m - before.position_m).norm(),
        turned_rad: pose.orientation.angle_to(&before.orientation),
        after_ns: at_ns.saturating_sub(*before_ns),
    }
}

/// Judges joint angles by those before, as [`PoseJudge`] judges poses.
#[derive(Clone, Copy, Debug, Default)]
pub struct JointJudge {
    refused: Option<RefusedJoints>,
}

/// Joint angles refused in a row: the newest, and since when they have agreed with each other.
#[derive(Clone, Copy, Debug)]
struct RefusedJoints {
    last_ns: u64,
    last_rad: [f64; JOINTS],
    agreed_since_ns: u64,
}

impl JointJudge {
    /// Whether joints \[rad\] read at `now_ns` can be the arm's, which last were `taken_rad` at
    /// `taken_ns`.
    pub fn takes(
        &mut self,
        now_ns: u64,
        joints_rad: &[f64; JOINTS],
        taken_ns: u64,
        taken_rad: &[f64; JOINTS],
    ) -> bool {
        if joints_can_turn(taken_rad, now_ns.saturating_sub(taken_ns), joints_rad) {
            self.refused = None;
            return true;
        }
        let agreed_since_ns = match &self.refused {
            Some(before)
                if joints_can_turn(
                    &before.last_rad,
                    now_ns.saturating_sub(before.last_ns),
                    joints_rad,
                ) =>
            {
                before.agreed_since_ns
            }
            _ => now_ns,
        };
        let agreed = now_ns.saturating_sub(agreed_since_ns) > AGREED_NS;
        let refused = RefusedJoints { last_ns: now_ns, last_rad: *joints_rad, agreed_since_ns };
        self.refused = (!agreed).then_some(refused);
        agreed
    }
}

fn joints_can_turn(before: &[f64; JOINTS], gap_ns: u64, joints_rad: &[f64; JOINTS]) -> bool {
    let gap_s = gap_ns.min(LONGEST_GAP_NS) as f64 * 1e-9;
    let most_rad = JOINT_NOISE_RAD + JOINT_RAD_S * gap_s;
    before.iter().zip(joints_rad).all(|(before, after)| (after - before).abs() <= most_rad)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nalgebra::UnitQuaternion;
    use proptest::prelude::*;

    const READ_NS: u64 = 20_000_000;

    fn pose(x_m: f64) -> Pose {
        let position_m = Vector3::new(x_m, -0.4, 0.2);
        Pose { position_m, orientation: UnitQuaternion::identity() }
    }

    /// A judge that has seen the arm rest at `x_m`, and the time of its last reading.
    fn resting(x_m: f64) -> (PoseJudge, u64) {
        let mut judge = PoseJudge::default();
        for index in 0..10 {
            judge.judge(index * READ_NS, &pose(x_m)).unwrap();
        }
        (judge, 9 * READ_NS)
    }

    /// A pose that held the joints' degrees made the arm creep by 39 mm.
    #[test]
    fn the_reply_of_another_command_is_refused_and_the_next_pose_taken() {
        let (mut judge, now_ns) = resting(0.1);
        let degrees = Pose { position_m: Vector3::new(275.3, 167.6, 57.4), ..pose(0.0) };
        let jump = judge.judge(now_ns + READ_NS, &degrees).unwrap_err();
        assert!(jump.moved_m > 300.0 && jump.after_ns == READ_NS, "{jump:?}");
        assert_eq!(judge.judge(now_ns + 2 * READ_NS, &pose(0.1)), Ok(()));
        assert_eq!(judge.refused_for_ns(now_ns + 2 * READ_NS), 0);
    }

    #[test]
    fn a_pose_that_stays_elsewhere_is_refused_until_it_has_agreed_with_itself() {
        let (mut judge, now_ns) = resting(0.1);
        let mut refused = 0;
        let taken_ns = (1..).map(|index| now_ns + index * READ_NS).find(|at_ns| {
            let taken = judge.judge(*at_ns, &pose(0.4)).is_ok();
            refused += u32::from(!taken);
            taken
        });
        assert_eq!(refused, 26);
        assert!(judge.judge(taken_ns.unwrap() + READ_NS, &pose(0.4)).is_ok());
    }

    #[test]
    fn poses_that_jump_about_or_lie_beyond_all_reach_are_never_the_truth() {
        let (mut judge, now_ns) = resting(0.1);
        for index in 1..200 {
            let x_m = if index % 2 == 0 { 0.4 } else { -0.4 };
            assert!(judge.judge(now_ns + index * READ_NS, &pose(x_m)).is_err());
        }
        assert!(judge.refused_for_ns(now_ns + 200 * READ_NS) > 3_900_000_000);
        let (mut judge, now_ns) = resting(0.1);
        for index in 1..200 {
            assert!(judge.judge(now_ns + index * READ_NS, &pose(3.0)).is_err());
        }
        assert!(PoseJudge::default().judge(0, &pose(3.0)).is_err());
    }

    #[test]
    fn an_arm_that_was_moved_while_nobody_read_it_is_where_it_is() {
        let (mut judge, now_ns) = resting(0.1);
        assert_eq!(judge.judge(now_ns + 1_000_000_000, &pose(0.4)), Ok(()));
    }

    #[test]
    fn joints_turn_as_fast_as_a_joint_can_unless_they_stay_elsewhere() {
        let (before, mut after) = ([1.0; JOINTS], [1.0; JOINTS]);
        let mut judge = JointJudge::default();
        after[3] += 48.0_f64.to_radians() * 0.1;
        assert!(judge.takes(100_000_000, &after, 0, &before));
        // A turn more, as a base counts them that has been restarted.
        after[3] = 1.0 + std::f64::consts::TAU;
        let takes: Vec<bool> =
            (1..8).map(|index| judge.takes(index * 100_000_000, &after, 0, &before)).collect();
        assert_eq!(takes, [false, false, false, false, false, false, true]);
    }

    proptest! {
        #[test]
        fn whatever_an_arm_does_within_its_speed_is_taken(
            moves_m_s in prop::collection::vec(-0.75_f64..0.75, 1..100),
            gap_ms in 10_u64..200,
        ) {
            let mut judge = PoseJudge::default();
            let (mut x_m, mut now_ns) = (0.0, 0);
            for move_m_s in moves_m_s {
                let aim: f64 = x_m + move_m_s * gap_ms as f64 * 1e-3;
                x_m = aim.clamp(-1.0, 1.0);
                now_ns += gap_ms * 1_000_000;
                prop_assert_eq!(judge.judge(now_ns, &pose(x_m)), Ok(()));
            }
        }
    }
}
