//! What the real arm does besides: the vices that belong to the base itself, so that the arm in
//! lockstep has them too. The default is health. docs/simulation.md lists all vices.

use jaco_sim_link::control::Faults;

/// Vices of the base. Each is off in [`Vices::default`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vices {
    /// Cartesian velocity points whose linear part is slower than this do not move the tool
    /// \[m/s\]; the angular part is judged apart.
    pub dead_zone_m_s: f64,
    /// As [`Vices::dead_zone_m_s`], of the angular part \[rad/s\].
    pub dead_zone_rad_s: f64,
    /// What QuickStatus.RetractType says whatever the arm does.
    pub retract_type: Option<u8>,
}

/// Those among the simulator's that are the base's own.
impl From<&Faults> for Vices {
    fn from(faults: &Faults) -> Self {
        Self {
            dead_zone_m_s: faults.dead_zone_m_s,
            dead_zone_rad_s: faults.dead_zone_rad_s,
            retract_type: faults.retract_type,
        }
    }
}
