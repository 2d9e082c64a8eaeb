//! What the real arm does besides: the vices that belong to the base itself, so that the arm in
//! lockstep has them too. The default is health. docs/simulation.md lists all vices.

use jaco_sim_link::control::{Faults, Group};

/// Vices of the base, a part of the simulator's [`Faults`], where each is explained.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Vices {
    pub dead_zone_m_s: f64,
    pub dead_zone_rad_s: f64,
    pub singularity_creep: f64,
    pub refuse_cartesian: bool,
    pub control_taken: bool,
    pub pose_jump_m: f64,
    pub nan: Nan,
    pub finger_excess: f64,
    pub finger_drift_ticks_s: f64,
    pub unbounded_joints: i32,
    pub force_bias_n: [f64; 3],
    pub fifo_lag_ms: u64,
    pub retract_type: Option<u8>,
}

/// Which readings are NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nan {
    /// The tool's pose.
    pub pose: bool,
    /// Joint angles.
    pub joints: bool,
    /// Finger positions.
    pub fingers: bool,
    /// Forces and torques.
    pub force: bool,
}

/// Those among the simulator's that are the base's own.
impl From<&Faults> for Vices {
    fn from(faults: &Faults) -> Self {
        let is_nan = |group| faults.nan.contains(&group);
        Self {
            dead_zone_m_s: faults.dead_zone_m_s,
            dead_zone_rad_s: faults.dead_zone_rad_s,
            singularity_creep: faults.singularity_creep,
            refuse_cartesian: faults.refuse_cartesian,
            control_taken: faults.control_taken,
            pose_jump_m: faults.pose_jump_m,
            nan: Nan {
                pose: is_nan(Group::Pose),
                joints: is_nan(Group::Joints),
                fingers: is_nan(Group::Fingers),
                force: is_nan(Group::Force),
            },
            finger_excess: faults.finger_excess,
            finger_drift_ticks_s: faults.finger_drift_ticks_s,
            unbounded_joints: faults.unbounded_joints,
            force_bias_n: faults.force_bias_n,
            fifo_lag_ms: faults.fifo_lag_ms,
            retract_type: faults.retract_type,
        }
    }
}
