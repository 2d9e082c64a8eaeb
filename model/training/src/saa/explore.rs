//! What the policy itself would do from many states at once.
//!
//! Owns the question put to the decoder. Must never judge the answer.

use crate::random::{Purpose, generator};
use jaco_core::{ActionUnit, Decode};
use jaco_model::config::OpenVlaConfig;
use jaco_model::decode::decode_features;
use jaco_model::{DecodeMethod, DecodeRequest, ModelError, OpenVla};
use rand::RngExt;
use tch::Tensor;

/// The policy's first `units` units from each state: projected patches \[B, P, hidden\] and as many
/// prompts. Draws are those of seed, step and place in the step alone.
pub fn explore(
    model: &OpenVla,
    config: &OpenVlaConfig,
    features: &Tensor,
    prompts: &[&[i64]],
    units: usize,
    decode: Decode,
    (seed, step, place): (u64, u64, u64),
) -> Result<Vec<Vec<ActionUnit>>, ModelError> {
    let draws: u64 = generator(seed, Purpose::Exploration, step).random();
    let method = DecodeMethod::of(decode, draws.wrapping_add(place));
    let request = DecodeRequest { method, ..DecodeRequest::greedy(units) };
    let decoded = decode_features(model, config, features, prompts, &request)?;
    Ok(decoded.into_iter().map(|decoded| decoded.into_best().units).collect())
}
