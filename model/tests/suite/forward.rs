//! The forward pass in ways that the golden folders do not go: cached, branched, in other element
//! types, with shared heads.

use crate::support::{assert_close, fixtures, tiny_config, tiny_expected, tiny_inputs};
use jaco_model::llama::KvCache;
use jaco_model::{OpenVla, OpenVlaConfig, checkpoint};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

fn tiny_model() -> (OpenVlaConfig, VarStore, OpenVla) {
    let config = tiny_config();
    let variables = VarStore::new(Device::Cpu);
    let model = OpenVla::new(&variables.root(), &config).unwrap();
    checkpoint::read_weights(&fixtures().join("tiny-openvla"), &config, &variables).unwrap();
    (config, variables, model)
}

fn cache_for(config: &OpenVlaConfig, capacity: i64) -> KvCache {
    KvCache::new(&config.text_config, 1, capacity, (Kind::Float, Device::Cpu)).unwrap()
}

#[test]
fn cached_steps_equal_one_pass() {
    let (config, _, model) = tiny_model();
    let inputs = tiny_inputs();
    let features = model.vision_features(inputs.get("pixel_values")).unwrap();
    let ids = inputs.get("input_ids");
    let continuation = Tensor::from_slice(&[70i64, 100, 37, 319, 64, 200]).unsqueeze(0);
    let whole = Tensor::cat(&[ids, &continuation], 1);
    let embedded = model.embed(&features, &whole).unwrap();
    let expected = model.language_model().forward(&embedded, None).unwrap();
    let start = config.patches() + ids.size()[1];

    let mut cache = cache_for(&config, 40);
    let prefilled = model.prefill(&features, ids, &mut cache).unwrap();
    assert_close(&prefilled, &expected.narrow(1, start - 1, 1), 1e-5);
    let mut seen = 0;
    for count in [1, 2, 3] {
        let chunk = continuation.narrow(1, seen, count);
        let hidden = model.step(&chunk, &mut cache).unwrap();
        seen += count;
        assert_close(&hidden, &expected.narrow(1, start + seen - 1, 1), 1e-5);
    }
    assert_eq!(cache.len(), start + seen);
}

/// Three branches behind one prefix, whose parents change on the way, see exactly their own
/// histories.
#[test]
fn branches_equal_sequences_of_their_own() {
    let (config, _, model) = tiny_model();
    let inputs = tiny_inputs();
    let features = model.vision_features(inputs.get("pixel_values")).unwrap();
    let ids = inputs.get("input_ids");
    let mut cache = cache_for(&config, 28 + 3 * 4);
    let _prefix = model.prefill(&features, ids, &mut cache).unwrap();
    cache.branch(3).unwrap();
    let row = |ids: &[i64]| Tensor::from_slice(ids).unsqueeze(0);
    let _first = model.step(&row(&[70, 71, 72]), &mut cache).unwrap();
    cache.select(&row(&[2, 0, 2])).unwrap();
    // Two tokens of each branch at once.
    let _both = model.step(&row(&[80, 81, 82, 37, 37, 38]), &mut cache).unwrap();
    cache.select(&row(&[1, 2, 2])).unwrap();
    let hidden = model.step(&row(&[90, 91, 92]), &mut cache).unwrap();
    assert_eq!((cache.len(), cache.width()), (28 + 4, 3));

    let histories = [[70i64, 81, 37, 90], [72, 82, 38, 91], [72, 82, 38, 92]];
    for (branch, history) in histories.iter().enumerate() {
        let whole = Tensor::cat(&[ids, &row(history)], 1);
        let embedded = model.embed(&features, &whole).unwrap();
        let expected = model.language_model().forward(&embedded, None).unwrap();
        let (found, expected) = (hidden.select(1, branch as i64), expected.select(1, 31));
        assert_close(&found, &expected, 1e-5);
    }
}

#[test]
fn bfloat16_input_trains_float32_weights() {
    let (_, variables, model) = tiny_model();
    let (inputs, expected) = (tiny_inputs(), tiny_expected());
    let pixels = inputs.get("pixel_values").to_kind(Kind::BFloat16);
    let logits = model.forward_train(&pixels, inputs.get("input_ids")).unwrap();
    assert_eq!(logits.kind(), Kind::Float);
    // Eight bits of mantissa through four blocks: some per cent of the logits' spread.
    let spread = expected.get("logits").std(true).double_value(&[]);
    let error = (&logits - expected.get("logits")).std(true).double_value(&[]);
    assert!(error < 0.05 * spread, "error {error}, spread {spread}");
    logits.sum(Kind::Float).backward();
    for (name, variable) in variables.variables() {
        let gradient = variable.grad();
        assert!(gradient.defined(), "{name} has no gradient");
        assert_eq!(gradient.kind(), Kind::Float, "{name}");
    }
}

#[test]
fn shared_key_value_heads_equal_repeated_ones() {
    let mut config = tiny_config();
    config.text_config.num_key_value_heads = Some(2);
    let (shared_variables, shared) = OpenVla::init(&config, 5, Device::Cpu).unwrap();
    config.text_config.num_key_value_heads = Some(4);
    let repeated_variables = VarStore::new(Device::Cpu);
    let repeated = OpenVla::new(&repeated_variables.root(), &config).unwrap();
    let source = shared_variables.variables();
    tch::no_grad(|| {
        for (name, mut variable) in repeated_variables.variables() {
            let value = if name.ends_with("k_proj.weight") || name.ends_with("v_proj.weight") {
                // Queries 0 and 1 read key head 0, queries 2 and 3 head 1.
                source[&name]
                    .reshape([2, 16, 64])
                    .repeat_interleave_self_int(2, 0, 4)
                    .reshape([64, 64])
            } else {
                source[&name].shallow_clone()
            };
            variable.copy_(&value);
        }
    });
    let inputs = tiny_inputs();
    let [few, many] = [&shared, &repeated].map(|model| {
        model.forward_train(inputs.get("pixel_values"), inputs.get("input_ids")).unwrap()
    });
    assert_close(&few, &many, 1e-5);
}
