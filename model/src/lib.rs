//! OpenVLA action-stream policy in libtorch: tokens, decoding, training, checkpoints.
//!
//! A picture and an instruction go in, H action units come out. The model is OpenVLA's, under
//! the names of its published checkpoint and of any size; a checkpoint is a folder in Hugging
//! Face's layout. Knows nothing of arms, cameras or threads.

pub mod config;
pub mod error;
mod init;
mod layers;
pub mod llama;
pub mod openvla;
mod projector;
pub mod prompt;
pub mod statistics;
pub mod tokens;
pub mod vision;

pub use config::OpenVlaConfig;
pub use error::ModelError;
pub use openvla::OpenVla;
pub use prompt::PromptTokenizer;
pub use statistics::NormStats;
pub use tokens::ActionVocab;

/// Sets how many threads libtorch uses for one operation, for the whole process.
pub fn set_threads(threads: i32) {
    tch::set_num_threads(threads);
}
