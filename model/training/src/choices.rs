//! The words among which a training setting chooses. Must never decide which one.

use jaco_core::Word;
use serde::{Deserialize, Serialize};
use std::fmt;
use tch::Kind;

/// What is trained of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trainable {
    /// All weights.
    All,
    /// The language model; towers and projector stand still.
    Decoder,
    /// Low-rank adapters beside the weights, which all stand still.
    Lora,
}

impl Word for Trainable {
    const ALL: &'static [Self] = &[Self::All, Self::Decoder, Self::Lora];

    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Decoder => "decoder",
            Self::Lora => "lora",
        }
    }
}

impl fmt::Display for Trainable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How pictures are varied while a model is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augmentation {
    /// Contrast and brightness, the former per channel as well.
    Colour,
    /// OpenVLA's: a crop of 0.9 of the area, brightness, contrast, saturation, hue.
    Openvla,
    /// Not at all.
    None,
}

impl Word for Augmentation {
    const ALL: &'static [Self] = &[Self::Colour, Self::Openvla, Self::None];

    fn name(self) -> &'static str {
        match self {
            Self::Colour => "colour",
            Self::Openvla => "openvla",
            Self::None => "none",
        }
    }
}

/// Element types that training knows; float16 would overflow in gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// float32.
    F32,
    /// bfloat16.
    Bf16,
}

impl Word for Precision {
    const ALL: &'static [Self] = &[Self::F32, Self::Bf16];

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Precision {
    /// libtorch's word.
    pub fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}
