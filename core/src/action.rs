//! Actions: what the arm is asked to do during one step, as numbers and as tokens.

use serde::{Deserialize, Serialize};

/// Numbers in an action, and tokens in an action unit.
pub const ACTION_DIMS: usize = 7;

/// What is asked of the arm over one step of 100 ms: a displacement of the tool point in the
/// base frame, and where the gripper should be heading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Displacement of the tool point over the step, base frame \[m\].
    pub translation_m: [f64; 3],
    /// Rotation vector over the step, base frame \[rad\].
    pub rotation_rad: [f64; 3],
    /// Gripper opening to head for: 1 open, 0 closed.
    pub gripper: f64,
}

/// A gripper that is asked to open further than this heads for open, else for closed.
const OPEN_ABOVE: f64 = 0.5;

impl Action {
    /// The action that moves nothing and heads for the gripper opening `gripper`.
    pub fn still(gripper: f64) -> Self {
        Self { gripper, ..Self::default() }
    }

    /// The seven numbers in the order dx dy dz droll dpitch dyaw gripper.
    pub fn to_array(self) -> [f64; ACTION_DIMS] {
        let ([x, y, z], [r, p, w]) = (self.translation_m, self.rotation_rad);
        [x, y, z, r, p, w, self.gripper]
    }

    /// The inverse of [`Action::to_array`].
    pub fn from_array([x, y, z, r, p, w, gripper]: [f64; ACTION_DIMS]) -> Self {
        Self { translation_m: [x, y, z], rotation_rad: [r, p, w], gripper }
    }

    /// Whether the gripper heads for open.
    pub fn opens(&self) -> bool {
        self.gripper > OPEN_ABOVE
    }

    /// Whether all seven numbers are finite.
    pub fn is_finite(&self) -> bool {
        self.to_array().iter().all(|value| value.is_finite())
    }
}

/// One action as its seven tokens, free of any vocabulary: each is the bin number 1..=256 that
/// OpenVLA's action tokenizer gives (`np.digitize`); the token id is `base vocabulary - bin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ActionUnit(pub [u16; ACTION_DIMS]);

/// Steps that a chunk can be for; as many as the servo queues.
pub const MAX_CHUNK_STEPS: usize = 64;

/// Actions for consecutive steps, as a policy answers them. Held inline, so that the servo's
/// cycle takes one up without allocating.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)]
pub enum Chunk {
    /// As tokens.
    Units {
        /// The units.
        units: heapless::Vec<ActionUnit, MAX_CHUNK_STEPS>,
        /// Normalised values, -1..=1, to execute instead of the centres of the units' bins: one
        /// row for each unit, or empty = the centres.
        values: heapless::Vec<[f32; ACTION_DIMS], MAX_CHUNK_STEPS>,
    },
    /// In numbers.
    Actions(heapless::Vec<Action, MAX_CHUNK_STEPS>),
}

impl Chunk {
    /// Steps that it is for.
    pub fn len(&self) -> usize {
        match self {
            Chunk::Units { units, .. } => units.len(),
            Chunk::Actions(actions) => actions.len(),
        }
    }

    /// Whether it is for no step.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A chunk for consecutive absolute steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionStream {
    /// The step, counted by the servo from mode entry, that the chunk begins with.
    pub first_step: u64,
    /// The actions for `first_step`, `first_step + 1`, ...
    pub chunk: Chunk,
    /// Capture time of the frame that the policy saw, monotonic \[ns\].
    pub from_frame_ns: u64,
}
