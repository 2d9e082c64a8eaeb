//! Adapters that are exchanged while a policy is loaded: what acts shows in the decoded scores.

use crate::decoding::INSTRUCTION;
use crate::support::{ask, fixtures, logits_of, picture, tiny_checkpoint};
use jaco_model::{
    ActionVocab, Adapter, DecodeRequest, LoadOptions, OpenVla, OpenVlaPolicy, Policy, Stream,
};
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

const UNITS: usize = 3;

fn folder() -> PathBuf {
    fixtures().join("tiny-openvla/adapter")
}

fn decoded(policy: &OpenVlaPolicy) -> Stream {
    ask(policy, 5, &DecodeRequest::greedy(UNITS))
}

/// Log-probability of the units of `stream` and their separators under `policy`.
fn score_under(policy: &OpenVlaPolicy, stream: &Stream) -> f64 {
    let vocab = ActionVocab::new(policy.config());
    let ids = Tensor::from_slice(&vocab.stream_tokens(&stream.units).unwrap());
    let log_probs = logits_of(policy, 5, &stream.units).log_softmax(1, Kind::Double);
    log_probs.gather(1, &ids.unsqueeze(1), false).sum(Kind::Double).double_value(&[])
}

/// The fixture's adapter, and its opposite.
fn two_adapters(policy: &OpenVlaPolicy) -> [Adapter; 2] {
    let [one, mut other] = [0, 1].map(|_| policy.read_adapter(&folder()).unwrap());
    for pair in other.modules.values_mut() {
        pair.scale *= -1.0;
    }
    [one, other]
}

#[test]
fn adapters_are_exchanged_and_taken_away_again() {
    let checkpoint = tiny_checkpoint();
    let mut policy = OpenVlaPolicy::load(checkpoint.path(), Device::Cpu).unwrap();
    let plain = decoded(&policy);
    let base = score_under(&policy, &plain);
    let [one, other] = two_adapters(&policy);

    policy.set_adapter(Some(&one)).unwrap();
    let (with_one, score_of_one) = (decoded(&policy), score_under(&policy, &plain));
    policy.set_adapter(Some(&other)).unwrap();
    let (with_other, score_of_other) = (decoded(&policy), score_under(&policy, &plain));
    for (score, against) in
        [(score_of_one, base), (score_of_other, base), (score_of_other, score_of_one)]
    {
        assert!((score - against).abs() > 0.1, "{score} {against}");
    }
    assert_ne!(with_one.confidence, plain.confidence);
    assert_ne!(with_other.confidence, plain.confidence);
    assert_ne!(with_other.confidence, with_one.confidence);

    // The one that is set replaces the one before, whatever that was.
    policy.set_adapter(Some(&one)).unwrap();
    assert_eq!(decoded(&policy), with_one);
    policy.set_adapter(None).unwrap();
    assert_eq!(decoded(&policy), plain);
}

#[test]
fn a_merged_adapter_decodes_as_one_beside_the_weights() {
    let checkpoint = tiny_checkpoint();
    let adapter = folder();
    let load = |merge_adapter| {
        let options = LoadOptions {
            adapter: Some(&adapter),
            merge_adapter,
            ..LoadOptions::plain(Device::Cpu)
        };
        OpenVlaPolicy::load_with(checkpoint.path(), &options).unwrap()
    };
    let (beside, merged) = (load(false), load(true));
    let mut plain = OpenVlaPolicy::load(checkpoint.path(), Device::Cpu).unwrap();
    let request = DecodeRequest::greedy(UNITS);
    let mut changed = 0;
    for seed in 0..4 {
        let frame = picture(56, 56, seed);
        let [beside, merged, base] = [&beside, &merged, &plain]
            .map(|policy| policy.decode(&frame, INSTRUCTION, &request).unwrap().into_best());
        assert_eq!(merged.units, beside.units, "picture {seed}");
        let difference = (merged.score() - beside.score()).abs();
        assert!(difference < 1e-3, "picture {seed}: scores differ by {difference}");
        changed += usize::from((beside.score() - base.score()).abs() > 0.01);
    }
    assert!(changed > 0, "the adapter does something");

    // Loaded with it or given it later: the same.
    let adapter = plain.read_adapter(&adapter).unwrap();
    plain.set_adapter(Some(&adapter)).unwrap();
    assert_eq!(decoded(&plain), decoded(&beside));
}

/// Two models on one set of weights, each with its own adapter, and a copy of an adapter.
#[test]
fn a_shared_model_has_its_own_adapter() {
    let checkpoint = tiny_checkpoint();
    let mut policy = OpenVlaPolicy::load(checkpoint.path(), Device::Cpu).unwrap();
    let [one, other] = two_adapters(&policy);
    let inputs = crate::support::tiny_inputs();
    let (pixels, ids) = (inputs.get("pixel_values"), inputs.get("input_ids"));
    let logits = |model: &OpenVla| model.forward_train(pixels, ids).unwrap();
    let _no_grad = tch::no_grad_guard();
    let plain = logits(policy.model());
    policy.set_adapter(Some(&one)).unwrap();
    let with_one = logits(policy.model());
    let mut shared = policy.model().share();
    assert_eq!(logits(&shared), plain, "nothing acts on it");
    shared.set_adapter(Some(&other)).unwrap();
    assert_ne!(logits(&shared), with_one);
    assert_eq!(logits(policy.model()), with_one, "the other one's is its own");

    let copy = one.copy().unwrap();
    for pair in one.modules.values() {
        let _ = pair.b.shallow_clone().zero_();
    }
    shared.set_adapter(Some(&copy)).unwrap();
    crate::support::assert_close(&logits(&shared), &with_one, 1e-4);
}
