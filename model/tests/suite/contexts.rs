//! Log-probabilities of whole units behind different prefixes, with the adapter on and off: what
//! step-wise alignment compares.

use crate::support::{Tensors, assert_close, fixtures, tiny_inputs};
use jaco_model::{Adapter, OpenVla, OpenVlaConfig, checkpoint};
use tch::{Device, Kind, Tensor};

const UNITS: i64 = 4;
const UNIT_TOKENS: i64 = 8;
/// Weight of a log-ratio in the fixture's rewards.
const BETA: f64 = 0.1;

/// Log-probabilities \[units, 8\] of each unit of `units` \[units, 8\] after the prompt and the
/// units of `prefix` before it.
fn log_probs(config: &OpenVlaConfig, model: &OpenVla, prefix: &Tensor, units: &Tensor) -> Tensor {
    let inputs = tiny_inputs();
    let (pixels, prompt) = (inputs.get("pixel_values"), inputs.get("input_ids"));
    let rows: Vec<Tensor> = (0..UNITS)
        .map(|h| {
            let before = prefix.narrow(0, 0, h).reshape([1, h * UNIT_TOKENS]);
            let unit = units.get(h);
            let ids = Tensor::cat(&[prompt, &before, &unit.unsqueeze(0)], 1);
            let logits = model.forward_train(pixels, &ids).unwrap();
            let first = config.patches() + ids.size()[1] - UNIT_TOKENS - 1;
            logits
                .select(0, 0)
                .narrow(0, first, UNIT_TOKENS)
                .log_softmax(1, Kind::Float)
                .gather(1, &unit.unsqueeze(1), false)
                .squeeze_dim(1)
        })
        .collect();
    Tensor::stack(&rows, 0)
}

#[test]
fn units_are_as_likely_as_in_the_reference() {
    let folder = fixtures().join("tiny-openvla");
    let config = OpenVlaConfig::read(&folder.join("config.json")).unwrap();
    let (variables, mut model) = OpenVla::build_frozen(&config, Device::Cpu, Kind::Float).unwrap();
    checkpoint::read_weights(&folder, &config, &variables).unwrap();
    let adapter = Adapter::read(&folder.join("adapter"), &config, &variables).unwrap();
    let expected = Tensors::read(&folder.join("contexts.safetensors"));
    let (explored, expert) = (expected.get("explored_units"), expected.get("expert_units"));
    for (context, explored_prefix, expert_prefix) in [
        ("policy_prefix", explored, explored),
        ("expert_prefix", expert, expert),
        ("own_prefix", explored, expert),
    ] {
        let mut rewards = Vec::new();
        for (kind, prefix, units) in
            [("explored", explored_prefix, explored), ("expert", expert_prefix, expert)]
        {
            model.set_adapter(None).unwrap();
            let reference = log_probs(&config, &model, prefix, units);
            model.set_adapter(Some(&adapter)).unwrap();
            let policy = log_probs(&config, &model, prefix, units);
            assert_close(&reference, expected.get(&format!("{context}.ref_{kind}_logps")), 1e-4);
            assert_close(&policy, expected.get(&format!("{context}.policy_{kind}_logps")), 1e-4);
            for tokens in [7, 8] {
                let ratio = (&policy - &reference).narrow(1, 0, tokens);
                let reward = ratio.sum_dim_intlist(1, false, Kind::Float) * BETA;
                let name = format!("{context}.reward_{kind}_{tokens}");
                assert_close(&reward, expected.get(&name), 1e-4);
                rewards.push(reward);
            }
        }
        for (i, tokens) in [7, 8].into_iter().enumerate() {
            // The first unit that the policy prefers to the expert's, by more than rounding.
            let worse = (&rewards[i] - &rewards[2 + i]).gt(1e-6).to_kind(Kind::Int64);
            let first = worse.argmax(0, false).reshape([1]);
            assert_close(&first, expected.get(&format!("{context}.h_star_{tokens}")), 0.0);
        }
    }
}
