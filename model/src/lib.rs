//! OpenVLA action-stream policy in libtorch: tokens, decoding, training, checkpoints.
//!
//! A picture and an instruction go in, H action units come out. The model is OpenVLA's, under
//! the names of its published checkpoint and of any size; a checkpoint is a folder in Hugging
//! Face's layout. Knows nothing of arms, cameras or threads.

pub mod checkpoint;
pub mod config;
pub mod decode;
pub mod error;
pub mod image;
mod init;
mod layers;
pub mod llama;
pub mod openvla;
pub mod policy;
mod projector;
pub mod prompt;
mod resample;
pub mod statistics;
pub mod tokens;
pub mod train;
pub mod vision;

pub use checkpoint::{Adapter, AdapterConfig, Checkpoint};
pub use config::OpenVlaConfig;
pub use decode::{DecodeMethod, DecodeRequest, Decoded, Timings};
pub use error::ModelError;
pub use image::ImageProcessor;
pub use openvla::OpenVla;
pub use policy::{LoadOptions, Policy};
pub use prompt::PromptTokenizer;
pub use statistics::NormStats;
pub use tokens::ActionVocab;

/// Sets how many threads libtorch uses for one operation, for the whole process.
pub fn set_threads(threads: i32) {
    tch::set_num_threads(threads);
}
