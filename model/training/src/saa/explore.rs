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
/// prompts. The draws of a state are those of seed, step and its place in the step alone, whatever
/// else is explored beside it; `first` is the place of the first.
pub fn explore(
    model: &OpenVla,
    config: &OpenVlaConfig,
    features: &Tensor,
    prompts: &[&[i64]],
    units: usize,
    decode: Decode,
    (seed, step, first): (u64, u64, u64),
) -> Result<Vec<Vec<ActionUnit>>, ModelError> {
    let draws: u64 = generator(seed, Purpose::Exploration, step).random();
    let method = DecodeMethod::of(decode, draws.wrapping_add(first));
    let request = DecodeRequest { method, ..DecodeRequest::greedy(units) };
    let decoded = decode_features(model, config, features, prompts, &request)?;
    Ok(decoded.into_iter().map(|decoded| decoded.into_best().units).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::path::Path;
    use tch::Device;

    /// `accumulation` promises the random numbers of the whole batch.
    #[test]
    fn a_state_is_explored_alike_in_whatever_parts_its_batch_is_computed() {
        let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tiny-openvla");
        let config = OpenVlaConfig::read(&mini.join("config.json")).unwrap();
        tch::set_num_threads(1);
        // Weights that were never trained waver: draws decide everything.
        let (_variables, model) = OpenVla::init(&config, 3, Device::Cpu).unwrap();
        let _no_grad = tch::no_grad_guard();
        let side = config.image_size();
        let pictures = Tensor::arange(8 * 6 * side * side, (tch::Kind::Float, Device::Cpu));
        let pictures = pictures.sin().view([8, 6, side, side]);
        let features = model.vision_features(&pictures).unwrap();
        // Two lengths, which fall otherwise into the parts than into the whole.
        let of_length = |length: i64| (1..=length).collect::<Vec<i64>>();
        let [short, long] = [of_length(5), of_length(7)];
        let prompts: Vec<&[i64]> =
            [0, 1, 1, 0, 1, 0, 0, 1].iter().map(|&i| [&short[..], &long][i]).collect();
        let decode = Decode::TopK { k: 64, temperature: 1.0 };
        let explored = |first: usize, count: usize, units: usize| {
            let theirs = features.narrow(0, first as i64, count as i64);
            let (prompts, seeds) = (&prompts[first..first + count], (5, 9, first as u64));
            explore(&model, &config, &theirs, prompts, units, decode, seeds).unwrap()
        };
        let whole = explored(0, 8, 2);
        for parts in [2, 4, 8] {
            let size = 8 / parts;
            let found: Vec<_> = (0..parts).flat_map(|it| explored(it * size, size, 2)).collect();
            assert_eq!(found, whole, "{parts} parts");
        }
        // A part whose streams are shorter explores fewer units, and the same ones.
        for (shorter, whole) in explored(4, 4, 1).iter().zip(&whole[4..]) {
            assert_eq!(shorter[..], whole[..1]);
        }
        assert!(whole.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
