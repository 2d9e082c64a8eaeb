//! Decoding beyond greedy: samples, beams, free grammar, expectations, the cut-off.

use crate::decoding::{INSTRUCTION, talkative_policy};
use crate::support::{
    ask, assert_scores_match, head_scaled_checkpoint, logits_of, picture, tiny_checkpoint,
};
use jaco_core::ActionUnit;
use jaco_core::codec::{ACTION_BINS, bin_centre};
use jaco_model::{
    ActionVocab, DecodeMethod, DecodeRequest, Grammar, ModelError, OpenVlaPolicy, Policy, Stream,
    TokenValue, UnitConfidence,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tch::{Device, Kind};

fn policy() -> OpenVlaPolicy {
    OpenVlaPolicy::load(tiny_checkpoint().path(), Device::Cpu).unwrap()
}

/// A policy that is far from sure of anything, as its head's logits are all small.
fn wavering_policy() -> OpenVlaPolicy {
    let checkpoint = head_scaled_checkpoint(64..320, 0.02);
    OpenVlaPolicy::load(checkpoint.path(), Device::Cpu).unwrap()
}

fn streams(policy: &OpenVlaPolicy, request: &DecodeRequest) -> Vec<Stream> {
    policy.decode(&picture(56, 56, 7), INSTRUCTION, request).unwrap().streams
}

fn with(method: DecodeMethod, horizon: usize) -> DecodeRequest<'static> {
    DecodeRequest { method, ..DecodeRequest::greedy(horizon) }
}

fn top_k(k: u16, seed: u64, samples: usize) -> DecodeMethod {
    DecodeMethod::TopK { k, temperature: 1.0, seed, samples }
}

#[test]
fn top_k_draws_among_the_best_by_its_seed() {
    let policy = wavering_policy();
    let drawn = |k, seed| streams(&policy, &with(top_k(k, seed, 1), 3)).remove(0).units;
    let greedy = ask(&policy, 7, &DecodeRequest::greedy(3)).units;
    assert_eq!(drawn(1, 11), greedy);
    assert_eq!(drawn(5, 11), drawn(5, 11));
    let several: Vec<_> = (0..8).map(|seed| drawn(5, seed)).collect();
    assert!(several.iter().any(|units| *units != several[0]), "seeds must matter");

    let vocab = ActionVocab::new(policy.config());
    let logits = logits_of(&policy, 7, &several[0]);
    for (u, unit) in several[0].iter().enumerate() {
        for (d, token) in vocab.tokens(unit).into_iter().enumerate() {
            let row = logits.get((u * 8 + d) as i64);
            let actions = row.narrow(0, vocab.first(), i64::from(ACTION_BINS));
            let better = actions.gt_tensor(&row.get(token)).sum(Kind::Int64).int64_value(&[]);
            assert!(better < 5, "unit {u} dimension {d}: {better} tokens are better");
        }
    }
}

/// Each sample's reported log-probabilities are those of a forward pass over that sample alone:
/// samples side by side share a prefix and nothing else.
#[test]
fn samples_do_not_see_each_other() {
    let policy = wavering_policy();
    let several = streams(&policy, &with(top_k(20, 3, 4), 2));
    assert_eq!(several.len(), 4);
    assert!(several.windows(2).any(|pair| pair[0].units != pair[1].units));
    for stream in &several {
        assert_own_scores(&policy, stream);
    }
}

/// The scores of an answer to [`streams`].
#[track_caller]
fn assert_own_scores(policy: &OpenVlaPolicy, stream: &Stream) {
    assert_scores_match(policy, &picture(56, 56, 7), INSTRUCTION, stream);
}

#[test]
fn a_beam_finds_streams_at_least_as_likely_as_greedy() {
    let policy = wavering_policy();
    let greedy = ask(&policy, 7, &DecodeRequest::greedy(2));
    let one = streams(&policy, &with(DecodeMethod::Beam { width: 1 }, 2));
    assert_eq!(one[0].units, greedy.units);
    let beams = streams(&policy, &with(DecodeMethod::Beam { width: 6 }, 2));
    assert_eq!(beams.len(), 6);
    assert!(beams.windows(2).all(|pair| pair[0].score() >= pair[1].score() - 1e-4));
    assert!(beams[0].score() >= greedy.score() - 1e-4, "{} {}", beams[0].score(), greedy.score());
    for (i, stream) in beams.iter().enumerate() {
        assert_own_scores(&policy, stream);
        assert!(beams[..i].iter().all(|other| other.units != stream.units), "hypotheses differ");
    }
}

#[test]
fn forced_units_hold_for_every_branch() {
    let policy = wavering_policy();
    let forced = [ActionUnit([9, 8, 7, 6, 5, 4, 3])];
    for method in [DecodeMethod::Beam { width: 3 }, top_k(9, 1, 3)] {
        let request = DecodeRequest { forced: &forced, ..with(method, 3) };
        for stream in streams(&policy, &request) {
            assert_eq!(stream.units[0], forced[0]);
            assert_eq!((stream.units.len(), stream.confidence.len()), (3, 2));
        }
    }
}

#[test]
fn a_free_grammar_counts_what_breaks_it() {
    let policy = talkative_policy();
    let free = DecodeRequest { grammar: Grammar::Free, ..DecodeRequest::greedy(2) };
    let stream = ask(&policy, 1, &free);
    assert_eq!(stream.tokens.len(), 16);
    let vocab = ActionVocab::new(policy.config());
    let actions = vocab.first()..=vocab.last();
    let broken = stream.tokens.iter().enumerate().filter(|(i, token)| {
        if i % 8 == 7 { **token != vocab.separator() } else { !actions.contains(token) }
    });
    assert_eq!(stream.violations(), broken.count());
    assert!(stream.violations() > 0, "the policy was made to talk");
    // A word is clipped to the highest bin.
    let word = stream.tokens[..7].iter().position(|token| *token < vocab.first()).unwrap();
    assert_eq!(stream.units[0].0[word], 256);
}

#[test]
fn expectations_are_means_over_the_bins() {
    let policy = wavering_policy();
    let plain = ask(&policy, 7, &DecodeRequest::greedy(2));
    let request = DecodeRequest { values: TokenValue::Expectation, ..DecodeRequest::greedy(2) };
    let stream = ask(&policy, 7, &request);
    assert_eq!(stream.units, plain.units, "the tokens stay the same");
    let vocab = ActionVocab::new(policy.config());
    let probabilities = logits_of(&policy, 7, &stream.units)
        .narrow(1, vocab.first(), i64::from(ACTION_BINS))
        .softmax(1, Kind::Double);
    let values = stream.values.unwrap();
    for (u, row) in values.iter().enumerate() {
        for (d, value) in row[..6].iter().enumerate() {
            let mean: f64 = (0..i64::from(ACTION_BINS))
                .map(|i| {
                    let centre = bin_centre((vocab.last() + 1 - vocab.first() - i) as u16);
                    probabilities.double_value(&[(u * 8 + d) as i64, i]) * centre
                })
                .sum();
            assert!((mean - f64::from(*value)).abs() < 1e-4, "unit {u} dimension {d}");
        }
        // The gripper's statistics are masked: half open is no mean of open and closed.
        assert_eq!(row[6], bin_centre(stream.units[u].0[6]) as f32);
    }
    assert_eq!(plain.values, None);
}

#[test]
fn an_unsure_policy_shortens_its_stream() {
    let policy = wavering_policy();
    let whole = ask(&policy, 7, &DecodeRequest::greedy(4));
    assert_eq!(whole.units.len(), 4);
    let entropies: Vec<f32> = whole.confidence.iter().map(|unit| unit.entropy).collect();
    let cut = |max_entropy, method| {
        let request = DecodeRequest { max_entropy: Some(max_entropy), ..with(method, 4) };
        streams(&policy, &request).remove(0).units
    };
    let most = entropies.iter().fold(0f32, |most, &value| most.max(value));
    assert_eq!(cut(most + 1e-3, DecodeMethod::Greedy), whole.units);
    for method in [DecodeMethod::Greedy, DecodeMethod::Beam { width: 1 }] {
        assert_eq!(cut(0.0, method), whole.units[..1], "one unit always stays");
        let middle = entropies[1..].iter().fold(f32::INFINITY, |least, &value| least.min(value));
        let kept = 1 + entropies[1..].iter().take_while(|value| **value <= middle).count();
        assert_eq!(cut(middle, method), whole.units[..kept]);
    }
}

/// Units that stay: up to the first one, after the first, that is less certain than `most`.
fn kept(stream: &Stream, most: f32) -> usize {
    let sure = |unit: &&UnitConfidence| unit.entropy <= most;
    1 + stream.confidence[1..].iter().take_while(sure).count()
}

/// Cut-offs on all sides of every unit's entropy in `whole`, and none that rounding could decide.
fn cut_offs(whole: &[Stream]) -> Vec<f32> {
    let mut entropies: Vec<f32> =
        whole.iter().flat_map(|stream| &stream.confidence).map(|unit| unit.entropy).collect();
    entropies.sort_by(f32::total_cmp);
    let between = entropies.windows(2).filter(|pair| pair[1] - pair[0] > 1e-3);
    let mut cut_offs: Vec<f32> = between.map(|pair| (pair[0] + pair[1]) / 2.0).collect();
    cut_offs.extend([0.0, entropies[entropies.len() - 1] + 1e-3]);
    cut_offs
}

#[test]
fn every_stream_ends_where_the_policy_becomes_unsure() {
    let policy = policy();
    let mut lengths = BTreeSet::new();
    for (seed, method) in
        (0..8).flat_map(|seed| [(seed, top_k(20, 6, 4)), (seed, DecodeMethod::Beam { width: 4 })])
    {
        let frame = picture(56, 56, seed);
        let decode =
            |request: &DecodeRequest| policy.decode(&frame, INSTRUCTION, request).unwrap().streams;
        let whole = decode(&with(method, 4));
        for most in cut_offs(&whole) {
            let cut = decode(&DecodeRequest { max_entropy: Some(most), ..with(method, 4) });
            assert_eq!(cut.len(), 4);
            for stream in &cut {
                let (found, wanted) = (stream.units.len(), kept(stream, most));
                assert_eq!(found, wanted, "picture {seed}, {method}, {most}: too long");
            }
            let ended: Vec<&[ActionUnit]> =
                whole.iter().map(|stream| &stream.units[..kept(stream, most)]).collect();
            let found: Vec<&[ActionUnit]> =
                cut.iter().map(|stream| stream.units.as_slice()).collect();
            match method {
                // A search that ends early still has hypotheses that it would have dropped later.
                DecodeMethod::Beam { .. } => {
                    let lost = ended.iter().filter(|stream| !found.contains(stream)).count();
                    assert_eq!(lost, 0, "picture {seed}, {method}, {most}: ended too early");
                }
                _ => assert_eq!(found, ended, "picture {seed}, {method}, {most}"),
            }
            lengths.extend(ended.iter().map(|stream| stream.len()));
        }
    }
    assert_eq!(lengths.len(), 4, "only streams of {lengths:?} units");
}

#[test]
fn methods_that_make_no_sense_are_refused() {
    let policy = policy();
    let frame = picture(56, 56, 9);
    let refusal =
        |request: DecodeRequest| policy.decode(&frame, INSTRUCTION, &request).unwrap_err();
    for (k, temperature) in [(0, 1.0), (257, 1.0), (5, 0.0), (5, f64::NAN), (5, f64::INFINITY)] {
        let method = DecodeMethod::TopK { k, temperature, seed: 0, samples: 1 };
        let error = refusal(with(method, 1));
        assert!(matches!(error, ModelError::Sampling { .. }), "{error}");
    }
    for method in [DecodeMethod::Beam { width: 0 }, top_k(5, 0, 0), top_k(5, 0, 65)] {
        let error = refusal(with(method, 1));
        assert!(matches!(error, ModelError::Streams { most: 64, .. }), "{error}");
    }
    for max_entropy in [-1.0, f32::NAN] {
        let request = DecodeRequest { max_entropy: Some(max_entropy), ..DecodeRequest::greedy(1) };
        let error = refusal(request);
        assert!(matches!(error, ModelError::EntropyCutOff { .. }), "{error}");
    }
}

#[test]
fn methods_are_written_as_text() {
    let method = |text: &str| text.parse().map(|setting| DecodeMethod::of(setting, 0));
    for (text, wanted) in [
        ("greedy", DecodeMethod::Greedy),
        ("beam:5", DecodeMethod::Beam { width: 5 }),
        ("top-k:40:0.7", DecodeMethod::TopK { k: 40, temperature: 0.7, seed: 0, samples: 1 }),
    ] {
        assert_eq!(method(text).unwrap(), wanted);
        assert_eq!(wanted.to_string(), text);
    }
    assert_eq!(method("top-k:40"), Ok(top_k(40, 0, 1)));
    for wrong in ["", "beam", "beam:0", "beam:x", "top-k:0", "top-k:5:-1", "greedy:1", "nucleus"] {
        assert!(method(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever is asked, every stream keeps the grammar and the forced units.
    #[test]
    fn every_stream_keeps_the_grammar(
        width in 1usize..5, sampled: bool, horizon in 1usize..5, forced in 0usize..3, seed: u64
    ) {
        let policy = wavering_policy();
        let forced = vec![ActionUnit([200, 1, 256, 2, 3, 4, 5]); forced.min(horizon)];
        let method =
            if sampled { top_k(256, seed, width) } else { DecodeMethod::Beam { width } };
        let request = DecodeRequest { forced: &forced, ..with(method, horizon) };
        let several = streams(&policy, &request);
        prop_assert_eq!(several.len(), width);
        for stream in several {
            prop_assert_eq!(stream.units.len(), horizon);
            prop_assert_eq!(&stream.units[..forced.len()], &forced[..]);
            prop_assert_eq!(stream.violations(), 0);
            prop_assert_eq!(stream.tokens.len(), (horizon - forced.len()) * 7);
            let vocab = ActionVocab::new(policy.config());
            let actions = vocab.first()..=vocab.last();
            prop_assert!(stream.tokens.iter().all(|token| actions.contains(token)));
        }
    }
}
