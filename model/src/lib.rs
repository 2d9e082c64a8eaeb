//! OpenVLA action-stream policy in libtorch: tokens, decoding, checkpoints.
//!
//! A picture and an instruction go in, H action units come out. The model is OpenVLA's, under
//! the names of its published checkpoint and of any size; a checkpoint is a folder in Hugging
//! Face's layout. Knows nothing of arms, cameras or threads.

pub mod bench;
pub mod checkpoint;
pub mod config;
pub mod decode;
pub mod error;
pub mod image;
mod init;
mod json;
pub mod layers;
pub mod llama;
mod lora;
mod names;
pub mod openvla;
pub mod options;
pub mod packed;
pub mod policy;
pub mod products;
mod projector;
pub mod prompt;
pub mod seam;
pub mod statistics;
mod tensor;
pub mod tokens;
pub mod vision;

pub use checkpoint::{Adapter, AdapterConfig, Checkpoint, LoraPair};
pub use config::OpenVlaConfig;
pub use decode::{
    DecodeMethod, DecodeRequest, Decoded, Decoding, Grammar, Stream, Timings, TokenValue,
    UnitConfidence,
};
pub use error::{ModelError, blames_input};
pub use image::{ImageProcessor, LiberoView, ResizeStrategy};
pub use openvla::OpenVla;
pub use options::PolicyOptions;
pub use packed::{After, Packed, TokenTree};
pub use policy::{LoadOptions, OpenVlaPolicy, Policy, load_model};
pub use prompt::PromptTokenizer;
pub use seam::DecodingPolicy;
pub use statistics::NormStats;
pub use tokens::ActionVocab;

/// Sets how many threads libtorch uses for one operation, for the whole process.
pub fn set_threads(threads: i32) {
    tch::set_num_threads(threads);
}
