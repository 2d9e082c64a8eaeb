//! OpenVLA action-stream policy in libtorch: tokens, decoding, training, checkpoints.
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
mod layers;
pub mod llama;
mod lora;
pub mod openvla;
pub mod policy;
mod projector;
pub mod prompt;
pub mod statistics;
mod tensor;
pub mod tokens;
pub mod train;
pub mod vision;

pub use checkpoint::{Adapter, AdapterConfig, Checkpoint, LoraPair};
pub use config::OpenVlaConfig;
pub use decode::{
    DecodeMethod, DecodeRequest, Decoded, Grammar, Stream, Timings, TokenValue, UnitConfidence,
};
pub use error::ModelError;
pub use image::{ImageProcessor, LiberoView, ResizeStrategy};
pub use openvla::OpenVla;
pub use policy::{LoadOptions, OpenVlaPolicy, Policy, load_model};
pub use prompt::PromptTokenizer;
pub use statistics::NormStats;
pub use tokens::ActionVocab;

/// Sets how many threads libtorch uses for one operation, for the whole process.
pub fn set_threads(threads: i32) {
    tch::set_num_threads(threads);
}
