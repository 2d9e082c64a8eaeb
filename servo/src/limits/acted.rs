//! Which limits acted in a tick: a set of names, for reports and logs. Limits nothing itself.

use jaco_core::Word;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kinds of limit, in the order in which they act: first those of the reference, then those of
/// the twist. What the pose of the joints forbids is taken out of a twist that has its speed
/// already, and none of the later ones makes it larger again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A jog twist was too old and taken as zero.
    CommandAge,
    /// The reference was pulled back to the arm.
    Leash,
    /// The reference was cut at the workspace box.
    Workspace,
    /// The reference was kept out of a keep-out box.
    KeepOut,
    /// The linear speed was cut.
    LinearSpeed,
    /// The angular speed was cut.
    AngularSpeed,
    /// Pressing was ended: the tool's force is at its limit.
    Force,
    /// Motion was slowed near a singular pose.
    Singularity,
    /// Motion towards the end of a joint's range was slowed.
    JointMargin,
    /// The change of the twist was cut.
    Acceleration,
    /// The change of the acceleration was cut.
    Jerk,
    /// A finger's speed was cut.
    FingerSpeed,
}

impl Word for Limit {
    const ALL: &'static [Self] = &[
        Limit::CommandAge,
        Limit::Leash,
        Limit::Workspace,
        Limit::KeepOut,
        Limit::LinearSpeed,
        Limit::AngularSpeed,
        Limit::Force,
        Limit::Singularity,
        Limit::JointMargin,
        Limit::Acceleration,
        Limit::Jerk,
        Limit::FingerSpeed,
    ];

    fn name(self) -> &'static str {
        match self {
            Limit::CommandAge => "command-age",
            Limit::Workspace => "workspace",
            Limit::KeepOut => "keep-out",
            Limit::Leash => "leash",
            Limit::Force => "force",
            Limit::Singularity => "singularity",
            Limit::JointMargin => "joint-margin",
            Limit::LinearSpeed => "linear-speed",
            Limit::AngularSpeed => "angular-speed",
            Limit::Acceleration => "acceleration",
            Limit::Jerk => "jerk",
            Limit::FingerSpeed => "finger-speed",
        }
    }
}

/// A set of [`Limit`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted(u16);

impl Acted {
    /// Adds `limit` if it `acted`.
    pub fn note(&mut self, limit: Limit, acted: bool) {
        self.0 |= u16::from(acted) << limit as u16;
    }

    /// Adds those of `other`.
    pub fn add(&mut self, other: Acted) {
        self.0 |= other.0;
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `limit` is in the set.
    pub fn holds(self, limit: Limit) -> bool {
        self.0 & (1 << limit as u16) != 0
    }

    /// Whether one of them keeps the arm from going where it is sent, rather than only from going
    /// there faster.
    pub fn holds_back(self) -> bool {
        use Limit::{Force, JointMargin, KeepOut, Leash, Singularity, Workspace};
        [Leash, Workspace, KeepOut, Force, Singularity, JointMargin]
            .into_iter()
            .any(|limit| self.holds(limit))
    }

    /// Those in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Limit> {
        Limit::ALL.iter().copied().filter(move |limit| self.holds(*limit))
    }
}

impl fmt::Display for Acted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, limit) in self.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(limit.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_noted_and_names_it_in_order() {
        let mut acted = Acted::default();
        acted.note(Limit::FingerSpeed, true);
        acted.note(Limit::Workspace, true);
        acted.note(Limit::Jerk, false);
        assert!(acted.holds(Limit::Workspace) && !acted.holds(Limit::Jerk));
        assert_eq!(acted.to_string(), "workspace, finger-speed");
        for (index, limit) in Limit::ALL.iter().enumerate() {
            assert_eq!(*limit as usize, index, "each has a place of its own");
        }
    }
}
