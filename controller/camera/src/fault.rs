//! The kinds of fault that a camera can have: what a recorder writes down and a run ends for. The
//! words for people are told beside them.

use jaco_core::Word;
use std::fmt;

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is not there, or was unplugged; or the simulator is not.
    Gone,
    /// It is there and cannot be used as configured.
    Unusable,
    /// Nothing comes.
    Stalled,
    /// What comes is not whole.
    Torn,
    /// The same picture comes again and again.
    Frozen,
    /// There is no light on it.
    Dark,
    /// Pictures are old when they come.
    Late,
    /// The driver, or the reading of it, failed.
    Failed,
}

impl Word for FaultKind {
    const ALL: &'static [Self] = &[
        Self::Gone,
        Self::Unusable,
        Self::Stalled,
        Self::Torn,
        Self::Frozen,
        Self::Dark,
        Self::Late,
        Self::Failed,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Unusable => "unusable",
            Self::Stalled => "stalled",
            Self::Torn => "torn",
            Self::Frozen => "frozen",
            Self::Dark => "dark",
            Self::Late => "late",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something wrong with a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// In words, the same for as long as it lasts.
    pub(crate) text: String,
    /// Since when it is told \[ns\].
    pub(crate) since_ns: u64,
    /// From when on its pictures were not to be trusted \[ns\].
    pub(crate) onset_ns: u64,
}
