//! First values of a new model.
//!
//! Every variable is drawn uniformly about zero with the standard deviation that its name asks
//! for, from one seeded generator, in the order of the names. Linear maps get 1/sqrt(3 fan-in),
//! PyTorch's default, which at the published widths is timm's 0.02 and does not shrink with
//! small ones; maps that end a residual branch of the decoder get GPT-2's 0.02/sqrt(2 layers).

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
}

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
        }
    }
    Ok(())
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
        (_, "pos_embed" | "cls_token" | "reg_token") => First::Spread { std: 0.02 },
        ("embed_tokens", _) => First::Spread { std: 0.05 },
        ("o_proj" | "down_proj", _) => {
            let layers = config.text_config.num_hidden_layers as f64;
            First::Spread { std: 0.02 / (2.0 * layers).sqrt() }
        }
        _ => First::Spread { std: 1.0 / (3.0 * fan_in as f64).sqrt() },
    }
}
