//! First values of a new model.
//!
//! Every variable is drawn uniformly about zero with the standard deviation that its name asks
//! for, from one seeded generator, in the order of the names. Linear maps get 1/sqrt(3 fan-in),
//! PyTorch's default, which at the published widths is timm's 0.02 and does not shrink with
//! small ones; maps that end a residual branch of the decoder get GPT-2's 0.02/sqrt(2 layers).
//!
//! The exception are the towers' position tables: sines and cosines of row and column. A tower
//! that must tell where things are starts out knowing where its patches are; from small random
//! numbers it spends its first hundreds of steps on finding that out.

use crate::config::OpenVlaConfig;
use crate::error::ModelError;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use tch::Tensor;
use tch::nn::VarStore;

enum First {
    Constant(f64),
    Spread { std: f64 },
    Positions,
}

/// Ratio of the longest to the shortest wavelength, as in "Attention is all you need".
const POSITION_TEMPERATURE: f64 = 10_000.0;

/// Fills all variables, which must be those of a model of `config`.
pub(crate) fn fill(
    variables: &VarStore,
    config: &OpenVlaConfig,
    seed: u64,
) -> Result<(), ModelError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let sorted: BTreeMap<String, Tensor> = variables.variables().into_iter().collect();
    let _no_grad = tch::no_grad_guard();
    for (name, mut variable) in sorted {
        match first_value(&name, &variable.size(), config) {
            First::Constant(value) => {
                let _filled = variable.f_fill_(value)?;
            }
            First::Spread { std } => {
                let bound = (3f64.sqrt() * std) as f32;
                let values: Vec<f32> =
                    (0..variable.numel()).map(|_| rng.random_range(-bound..bound)).collect();
                let values = Tensor::f_from_slice(&values)?.f_reshape(variable.size())?;
                variable.f_copy_(&values)?;
            }
            First::Positions => {
                let values = Tensor::f_from_slice(&position_table(&variable.size()))?;
                variable.f_copy_(&values.f_reshape(variable.size())?)?;
            }
        }
    }
    Ok(())
}

/// Positions of a square grid \[1, patches, width\]: a quarter of the width each for sine and cosine
/// of the row, and of the column. What a width that is no multiple of 4 has left over stays zero.
fn position_table(shape: &[i64]) -> Vec<f32> {
    let (patches, width) = (shape[1] as usize, shape[2] as usize);
    let (side, quarter) = (patches.isqrt(), width / 4);
    let mut values = vec![0.0; patches * width];
    for (patch, row) in values.chunks_exact_mut(width).enumerate() {
        for i in 0..quarter {
            let frequency = POSITION_TEMPERATURE.powf(-(i as f64) / quarter as f64);
            for (axis, place) in [patch / side, patch % side].into_iter().enumerate() {
                let (sine, cosine) = (place as f64 * frequency).sin_cos();
                row[2 * axis * quarter + i] = sine as f32;
                row[(2 * axis + 1) * quarter + i] = cosine as f32;
            }
        }
    }
    values
}

fn first_value(name: &str, shape: &[i64], config: &OpenVlaConfig) -> First {
    let towers = config.towers();
    let (parent, leaf) = name.rsplit_once('.').unwrap_or(("", name));
    let module = parent.rsplit('.').next().unwrap_or(parent);
    let fan_in: i64 = shape.iter().skip(1).product();
    match (module, leaf) {
        (_, "scale_factor") if name.contains(".fused_featurizer.") => {
            First::Constant(towers.fused_featurizer.layer_scale_init)
        }
        (_, "scale_factor") => First::Constant(towers.featurizer.layer_scale_init),
        (_, "bias") => First::Constant(0.0),
        (_, "weight") if module.contains("norm") => First::Constant(1.0),
        (_, "pos_embed") => First::Positions,
        (_, "cls_token" | "reg_token") => First::Spread { std: 0.02 },
        ("embed_tokens", _) => First::Spread { std: 0.05 },
        ("o_proj" | "down_proj", _) => {
            let layers = config.text_config.num_hidden_layers as f64;
            First::Spread { std: 0.02 / (2.0 * layers).sqrt() }
        }
        _ => First::Spread { std: 1.0 / (3.0 * fan_in as f64).sqrt() },
    }
}
