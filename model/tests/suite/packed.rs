//! Continuations of one prefix in one pass, against a pass of its own for each of them; and decoding
//! from projected patches, against decoding from pictures.

use crate::support::{Tensors, assert_close, fixtures};
use jaco_core::ActionUnit;
use jaco_core::codec::ACTION_BINS;
use jaco_model::config::UNIT_TOKENS;
use jaco_model::decode::{decode, decode_features};
use jaco_model::{
    ActionVocab, Adapter, After, DecodeMethod, DecodeRequest, OpenVla, OpenVlaConfig, Packed,
    TokenTree, checkpoint,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

const UNITS: usize = 3;

struct Bench {
    config: OpenVlaConfig,
    model: OpenVla,
    pixels: Tensor,
    prompts: [Vec<i64>; 2],
    streams: [[Vec<ActionUnit>; 2]; 2],
    _variables: tch::nn::VarStore,
}

/// The model `folder` with two prompts of unequal length, and two random streams for each.
fn bench(folder: &str, adapter: bool, kind: Kind) -> Bench {
    let folder = fixtures().join(folder);
    let config = OpenVlaConfig::read(&folder.join("config.json")).unwrap();
    let (variables, mut model) = OpenVla::build_frozen(&config, Device::Cpu, kind).unwrap();
    checkpoint::read_weights(&folder, &config, &variables).unwrap();
    if adapter {
        let adapter = Adapter::read(&folder.join("adapter"), &config, &variables).unwrap();
        model.set_adapter(Some(&adapter)).unwrap();
    }
    let inputs = Tensors::read(&folder.join("inputs.safetensors"));
    let ids = Vec::<i64>::try_from(inputs.get("input_ids").flatten(0, 1)).unwrap();
    let prompts = [ids.clone(), ids[..ids.len() - 4].to_vec()];
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut stream = || -> Vec<ActionUnit> {
        let unit = |_| ActionUnit(std::array::from_fn(|_| rng.random_range(1..=ACTION_BINS)));
        (0..UNITS).map(unit).collect()
    };
    let streams = std::array::from_fn(|_| [stream(), stream()]);
    let pixels = inputs.get("batch_pixel_values").to_kind(kind);
    Bench { config, model, pixels, prompts, streams, _variables: variables }
}

/// The slow path: log-probabilities \[8\] of `unit` after picture, prompt and `prefix`, from a pass
/// over them alone.
fn alone(bench: &Bench, example: usize, prefix: &[ActionUnit], unit: ActionUnit) -> Tensor {
    let vocab = ActionVocab::new(&bench.config);
    let mut ids = bench.prompts[example].clone();
    ids.extend(vocab.stream_tokens(prefix).unwrap());
    let tokens = vocab.unit_tokens(&unit);
    ids.extend(tokens);
    let pixels = bench.pixels.narrow(0, example as i64, 1);
    let logits =
        bench.model.forward_train(&pixels, &Tensor::from_slice(&ids).unsqueeze(0)).unwrap();
    let first = bench.config.patches() + (ids.len() - UNIT_TOKENS) as i64 - 1;
    logits
        .select(0, 0)
        .narrow(0, first, UNIT_TOKENS as i64)
        .log_softmax(1, Kind::Float)
        .gather(1, &Tensor::from_slice(&tokens).unsqueeze(1), false)
        .squeeze_dim(1)
}

/// One pass for the policy's stream, the expert's units behind it, the expert's stream, and the
/// policy's units behind that.
fn together(bench: &Bench) -> Tensor {
    let vocab = ActionVocab::new(&bench.config);
    let trees: Vec<TokenTree> = bench
        .prompts
        .iter()
        .zip(&bench.streams)
        .map(|(prompt, [own, expert])| {
            let mut tree = TokenTree::new(prompt.clone());
            let stream = tree.add(After::Prefix, vocab.stream_tokens(own).unwrap());
            for (h, unit) in expert.iter().enumerate() {
                let after = After::Branch { branch: stream, tokens: h * UNIT_TOKENS };
                tree.add(after, vocab.unit_tokens(unit).to_vec());
            }
            let stream = tree.add(After::Prefix, vocab.stream_tokens(expert).unwrap());
            for (h, unit) in own.iter().enumerate() {
                let after = After::Branch { branch: stream, tokens: h * UNIT_TOKENS };
                tree.add(after, vocab.unit_tokens(unit).to_vec());
            }
            tree
        })
        .collect();
    let patches = bench.config.patches() as usize;
    let packed = Packed::new(&trees, patches, Device::Cpu).unwrap();
    let features = bench.model.vision_features(&bench.pixels).unwrap();
    let hidden = bench.model.packed_hidden(&features, &packed).unwrap();
    let all: Vec<usize> = (0..packed.tokens.len()).collect();
    let rows = hidden.index_select(0, &packed.rows_of(&all).unwrap());
    let logits = bench.model.language_model().logits(&rows).unwrap();
    let log_probs = packed.log_probs_of(&all, &logits).unwrap();
    log_probs.view([2, 4 * UNITS as i64, UNIT_TOKENS as i64])
}

fn assert_equal_to_single_passes(bench: &Bench, tolerance: f64) {
    let found = together(bench);
    for (example, [own, expert]) in bench.streams.iter().enumerate() {
        for h in 0..UNITS {
            let row = |at: usize| found.get(example as i64).get(at as i64);
            // Behind the policy's prefix and behind the expert's, the units of both.
            assert_close(&row(h), &alone(bench, example, &own[..h], own[h]), tolerance);
            assert_close(&row(UNITS + h), &alone(bench, example, &own[..h], expert[h]), tolerance);
            let behind_own = alone(bench, example, &expert[..h], expert[h]);
            assert_close(&row(2 * UNITS + h), &behind_own, tolerance);
            let behind_expert = alone(bench, example, &expert[..h], own[h]);
            assert_close(&row(3 * UNITS + h), &behind_expert, tolerance);
        }
    }
}

#[test]
fn one_pass_gives_what_a_pass_for_each_continuation_gives() {
    let _no_grad = tch::no_grad_guard();
    for folder in ["tiny-openvla", "odd-openvla"] {
        for adapter in [false, true] {
            assert_equal_to_single_passes(&bench(folder, adapter, Kind::Float), 1e-4);
        }
    }
}

/// In bfloat16 both passes round, each its own way: as far from one another as rounding goes.
#[test]
fn so_it_is_in_bfloat16() {
    let _no_grad = tch::no_grad_guard();
    for adapter in [false, true] {
        assert_equal_to_single_passes(&bench("odd-openvla", adapter, Kind::BFloat16), 0.25);
    }
}

/// Log-probabilities of one prompt must not depend on which others are in the batch, nor on a
/// continuation beside them.
#[test]
fn gradients_pass_through_one_pass_as_through_many() {
    let bench = bench("odd-openvla", true, Kind::Float);
    let gradient = |loss: Tensor, pixels: &Tensor| {
        let mut before = pixels.grad();
        if before.defined() {
            let _ = before.zero_();
        }
        loss.backward();
        pixels.grad().copy()
    };
    let pixels = bench.pixels.copy().set_requires_grad(true);
    let bench = Bench { pixels: pixels.shallow_clone(), ..bench };
    // The expert's last unit of the shorter prompt behind the policy's prefix.
    let (own, expert) = (&bench.streams[1][0], &bench.streams[1][1]);
    let packed = together(&bench).get(1).get(2 * UNITS as i64 - 1).sum(Kind::Float);
    let packed = gradient(packed, &pixels);
    let plain = alone(&bench, 1, &own[..UNITS - 1], expert[UNITS - 1]).sum(Kind::Float);
    let plain = gradient(plain, &pixels);
    let size = plain.abs().max().double_value(&[]);
    assert!(size > 0.0);
    assert_eq!(packed.get(0).abs().max().double_value(&[]), 0.0, "the other picture has no part");
    assert_close(&packed, &plain, 1e-3 * size);
}

#[test]
fn decoding_from_features_is_decoding_from_pictures() {
    let bench = bench("tiny-openvla", false, Kind::Float);
    let features = tch::no_grad(|| bench.model.vision_features(&bench.pixels).unwrap());
    // Four states: two prompts of either length, interleaved.
    let features = Tensor::cat(&[&features, &features], 0);
    let prompts: Vec<&[i64]> = [0, 1, 1, 0].iter().map(|&i| &bench.prompts[i][..]).collect();
    let method = |seed| DecodeMethod::TopK { k: 20, temperature: 1.0, seed, samples: 1 };
    for request in [
        DecodeRequest::greedy(UNITS),
        DecodeRequest { method: method(3), ..DecodeRequest::greedy(UNITS) },
    ] {
        let found =
            decode_features(&bench.model, &bench.config, &features, &prompts, &request).unwrap();
        let again =
            decode_features(&bench.model, &bench.config, &features, &prompts, &request).unwrap();
        assert_eq!(found, again);
        // Each by itself, with the request's seed plus its place.
        for (at, prompt) in prompts.iter().enumerate() {
            let pixels = bench.pixels.narrow(0, (at % 2) as i64, 1);
            let mut request = request;
            if let DecodeMethod::TopK { seed, .. } = &mut request.method {
                *seed += at as u64;
            }
            let own = [prompt.to_vec()];
            let wanted = decode(&bench.model, &bench.config, &pixels, &own, &request).unwrap();
            assert_eq!(found[at].best().units, wanted[0].best().units, "state {at}");
        }
    }
    let other = DecodeRequest { method: method(4), ..DecodeRequest::greedy(UNITS) };
    let one = DecodeRequest { method: method(3), ..DecodeRequest::greedy(UNITS) };
    let draw = |request: &DecodeRequest| {
        decode_features(&bench.model, &bench.config, &features, &prompts, request).unwrap()
    };
    assert_ne!(draw(&one), draw(&other), "another seed draws other streams");
}
