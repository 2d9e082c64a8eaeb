//! The vices of arm and camera that the simulator can be given: what is switched on.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Ways in which arm and camera misbehave. The default is health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Every SDK call takes this much longer \[ms\].
    pub slow_calls_ms: u64,
    /// So many reads from now on fail with 1015.
    pub fail_next_reads: u32,
    /// No arm is attached: reads fail, commands are lost though they return 1, and `InitAPI`
    /// gives 1015 the first time and 1 after that.
    pub arm_absent: bool,
    /// SDK calls do not return.
    pub hang: bool,
    /// Cartesian control is refused in silence.
    pub refuse_cartesian: bool,
    /// No frames come.
    pub freeze_camera: bool,
    /// Somebody holds the joystick's first axis here, -1 to 1. It moves the arm only while the API
    /// has no control.
    pub joystick_axis: f32,
    /// Cartesian velocity points slower than this move nothing \[m/s\]; the angular part is
    /// judged apart.
    pub dead_zone_m_s: f64,
    /// As `dead_zone_m_s`, of the angular part \[rad/s\].
    pub dead_zone_rad_s: f64,
    /// QuickStatus.RetractType says this whatever the arm does.
    pub retract_type: Option<u8>,
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
    use super::*;

    #[test]
    fn faults_are_told_by_their_names() {
        assert_eq!(Faults::default().to_string(), "none");
        let faults = Faults { slow_calls_ms: 20, hang: true, ..Faults::default() };
        assert_eq!(faults.to_string(), "hang true, slow_calls_ms 20");
    }
}
