//! The vices of arm and camera that the simulator can be given: what is switched on.
//! docs/simulation.md lists them with what is known of the real arm. It must never say what a
//! vice does to a call: that is the simulator's.

use crate::LinkError;
use crate::sdk::CallName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Ways in which arm and camera misbehave. The default is health.
///
/// Of those that happen once (`block_once_ms`, `take_control`, `power_cycle`) and those that are
/// counted (`fail_next_reads`, `lose_commands`, `wrong_replies`) nothing is left afterwards.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Every SDK call takes this much longer \[ms\].
    pub slow_calls_ms: u64,
    /// Every packet that a call takes on the bus costs this much time \[ms\].
    pub packet_ms: f64,
    /// The next SDK call takes this much longer \[ms\]. Once.
    pub block_once_ms: u64,
    /// SDK calls do not return.
    pub hang: bool,

    /// So many reads from now on fail with 1015.
    pub fail_next_reads: u32,
    /// Of every `burst_failing_reads + burst_good_reads` reads the first so many fail with 1015.
    pub burst_failing_reads: u32,
    /// How many reads succeed between two bursts of failing ones.
    pub burst_good_reads: u32,
    /// So many commands from now on are lost, though they return 1.
    pub lose_commands: u32,
    /// Which commands are lost; all if none is named.
    pub lose_only: Vec<CallName>,
    /// Commands return 1 whatever happens, the arm's refusal of a point included.
    pub always_one: bool,
    /// No arm is attached: reads fail, commands are lost though they return 1, and `InitAPI`
    /// gives 1015 the first time and 1 after that.
    pub arm_absent: bool,

    /// So many reads from now on are answered with another command's reply, and return 1.
    pub wrong_replies: u32,
    /// Every so many-th read is answered with another command's reply; 0 = none.
    pub wrong_reply_every: u32,
    /// Which reads are answered wrongly; all if none is named.
    pub wrong_only: Vec<CallName>,
    /// The tool's pose reads this far off along x \[m\].
    pub pose_jump_m: f64,
    /// What reads as NaN.
    pub nan: Vec<Group>,
    /// Fingers read this share more ticks than they have: at 0.05 a closed one reads 7140.
    pub finger_excess: f64,
    /// The fingers' readings drift by so many ticks a second while this is present.
    pub finger_drift_ticks_s: f64,
    /// The joints without a stop (1, 4, 5, 6) read so many turns more than the pose needs.
    pub unbounded_joints: i32,
    /// The force at the tool reads this much more, along the base frame's axes \[N\].
    pub force_bias_n: [f64; 3],
    /// GetGlobalTrajectoryInfo shows the FIFO as it was so long ago \[ms\].
    pub fifo_lag_ms: u64,
    /// QuickStatus.RetractType says this whatever the arm does.
    pub retract_type: Option<u8>,
    /// QuickStatus.CartesianFaultState.
    pub cartesian_fault: u8,

    /// Cartesian velocity points slower than this move nothing \[m/s\]; the angular part is
    /// judged apart.
    pub dead_zone_m_s: f64,
    /// As `dead_zone_m_s`, of the angular part \[rad/s\].
    pub dead_zone_rad_s: f64,
    /// Where the manipulability (the determinant of the tool's Jacobian \[m^3\]) is below this,
    /// Cartesian motion creeps and Cartesian control is refused in silence.
    pub singularity_creep: f64,
    /// Cartesian control is refused in silence.
    pub refuse_cartesian: bool,

    /// Another client keeps control: it is off, and StartControlAPI changes nothing.
    pub control_taken: bool,
    /// Another client stops control. Once.
    pub take_control: bool,
    /// Somebody holds the joystick's first axis here, -1 to 1. It moves the arm only while the API
    /// has no control.
    pub joystick_axis: f32,
    /// The base restarts and stays on the bus: nothing homed, initialised, queued or under
    /// control, uptime 0. Once.
    pub power_cycle: bool,

    /// RobotType of another arm, e.g. 2 = Mico with four joints, 8 = seven joints.
    pub robot_type: Option<u8>,
    /// How many actuators are connected.
    pub actuators: Option<u8>,
    /// How many fingers the hand has, 0 to 3.
    pub fingers: Option<u8>,
    /// Force control is on, until StopForceControl.
    pub force_control_on: bool,
    /// The base follows torques, not positions.
    pub torque_mode: bool,

    /// No frames come.
    pub freeze_camera: bool,
}

/// A group of readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// The tool's pose.
    Pose,
    /// Joint angles.
    Joints,
    /// Finger positions.
    Fingers,
    /// Forces and torques.
    Force,
}

impl Faults {
    /// Parses and checks one JSON object, e.g. `{"dead_zone_m_s":0.03}`.
    pub fn parse(json: &str) -> Result<Self, LinkError> {
        let faults: Self = crate::json::parse("description of faults", json)?;
        faults.check()?;
        Ok(faults)
    }

    /// Refuses what no arm can have, by name and value.
    pub fn check(&self) -> Result<(), LinkError> {
        let not_negative = [
            ("packet_ms", self.packet_ms),
            ("dead_zone_m_s", self.dead_zone_m_s),
            ("dead_zone_rad_s", self.dead_zone_rad_s),
            ("singularity_creep", self.singularity_creep),
        ];
        let finite = [
            ("pose_jump_m", self.pose_jump_m),
            ("finger_excess", self.finger_excess),
            ("finger_drift_ticks_s", self.finger_drift_ticks_s),
        ];
        let biases = self.force_bias_n.map(|bias_n| ("force_bias_n", bias_n));
        let refused =
            |detail: String| Err(LinkError::Malformed { what: "description of faults", detail });
        for (name, value) in not_negative {
            if !(value.is_finite() && value >= 0.0) {
                return refused(format!("{name} is {value}; it must be 0 or more"));
            }
        }
        for (name, value) in finite.into_iter().chain(biases) {
            if !value.is_finite() {
                return refused(format!("{name} is {value}; it must be finite"));
            }
        }
        if !(-1.0..=1.0).contains(&self.joystick_axis) {
            let axis = self.joystick_axis;
            return refused(format!("joystick_axis is {axis}; it must be between -1 and 1"));
        }
        if let Some(fingers @ 4..) = self.fingers {
            return refused(format!("fingers is {fingers}; a hand has 3 at most"));
        }
        if let Some(name) = self.lose_only.iter().find(|name| name.is_read()) {
            return refused(format!("lose_only names {name}, which is no command but a read"));
        }
        if let Some(name) = self.wrong_only.iter().find(|name| !name.is_read()) {
            return refused(format!("wrong_only names {name}, which is no read but a command"));
        }
        Ok(())
    }
}

/// Those that are present, by their names on the wire: `hang true, slow_calls_ms 20`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_name = |faults: &Faults| serde_json::to_value(faults).unwrap_or_default();
        let (present, healthy) = (by_name(self), by_name(&Faults::default()));
        let differing = present.as_object().into_iter().flatten();
        let differing = differing.filter(|(name, value)| healthy.get(name.as_str()) != Some(value));
        let texts: Vec<String> = differing.map(|(name, value)| format!("{name} {value}")).collect();
        f.write_str(if texts.is_empty() { "none" } else { "" })?;
        f.write_str(&texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn faults_are_told_by_their_names() {
        assert_eq!(Faults::default().to_string(), "none");
        let faults = Faults { slow_calls_ms: 20, hang: true, ..Faults::default() };
        assert_eq!(faults.to_string(), "hang true, slow_calls_ms 20");
    }

    #[test]
    fn faults_are_read_as_they_are_written() {
        let faults = Faults {
            packet_ms: 5.5,
            lose_commands: u32::MAX,
            lose_only: vec![CallName::StopControlAPI, CallName::EraseAllTrajectories],
            nan: vec![Group::Pose, Group::Force],
            retract_type: Some(168),
            ..Faults::default()
        };
        let json = serde_json::to_string(&faults).unwrap();
        assert_eq!(Faults::parse(&json).unwrap(), faults);
        let short = r#"{"packet_ms":5.5,"nan":["pose","force"],"retract_type":168,
            "lose_commands":4294967295,"lose_only":["StopControlAPI","EraseAllTrajectories"]}"#;
        assert_eq!(Faults::parse(short).unwrap(), faults);
    }

    #[test]
    fn what_no_arm_can_have_is_refused_by_name() {
        for (json, told) in [
            (r#"{"dead_zone":0.03}"#, "dead_zone"),
            (r#"{"dead_zone_m_s":-0.03}"#, "dead_zone_m_s is -0.03; it must be 0 or more"),
            (r#"{"joystick_axis":2}"#, "joystick_axis is 2"),
            (r#"{"fingers":4}"#, "fingers is 4"),
            (r#"{"nan":["wrist"]}"#, "wrist"),
            (r#"{"lose_only":["StopControl"]}"#, "StopControl"),
            (r#"{"lose_only":["GetQuickStatus"]}"#, "GetQuickStatus, which is no command"),
            (r#"{"wrong_only":["MoveHome"]}"#, "MoveHome, which is no read"),
            (r#""hang""#, "description of faults is malformed"),
        ] {
            let error = Faults::parse(json).unwrap_err().to_string();
            assert!(error.contains(told), "{json}: {error}");
        }
    }
}
