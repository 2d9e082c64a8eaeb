//! Constrained decoding through a loaded policy.

use crate::support::{picture, rewrite, tiny_checkpoint};
use jaco_core::codec::ACTION_BINS;
use jaco_core::{ActionUnit, Clock};
use jaco_model::{
    ActionVocab, DecodeMethod, DecodeRequest, LoadOptions, ModelError, Policy, Timings,
};
use std::sync::atomic::{AtomicU64, Ordering};
use tch::{Device, Kind, Tensor};

const INSTRUCTION: &str = "put the blue cube on the green plate";

fn policy() -> Policy {
    Policy::load(tiny_checkpoint().path(), Device::Cpu).unwrap()
}

/// A policy whose head prefers words to actions wherever it is not kept from it.
fn talkative_policy() -> Policy {
    let checkpoint = tiny_checkpoint();
    rewrite(&checkpoint.path().join("model.safetensors"), |name, (dtype, shape, mut data)| {
        if name == "language_model.lm_head.weight" {
            let row = shape[1] * size_of::<f32>();
            // The rows of the words, which lie below the action tokens.
            for value in data[..64 * row].as_chunks_mut::<4>().0 {
                *value = (30.0 * f32::from_le_bytes(*value)).to_le_bytes();
            }
        }
        Some((dtype, shape, data))
    });
    Policy::load(checkpoint.path(), Device::Cpu).unwrap()
}

/// Logits \[tokens, vocabulary\] that predict each token of `units`, without a cache.
fn logits_of(policy: &Policy, seed: u32, units: &[ActionUnit]) -> Tensor {
    let frame = picture(56, 56, seed);
    let pixels = policy.images().pixel_values(&[&frame], Device::Cpu).unwrap();
    let vocab = ActionVocab::new(policy.config());
    let mut ids = policy.tokenizer().encode(INSTRUCTION).unwrap();
    let prompt = ids.len() as i64;
    ids.extend(vocab.stream_tokens(units).unwrap());
    let logits =
        policy.model().forward_train(&pixels, &Tensor::from_slice(&ids).unsqueeze(0)).unwrap();
    let first = policy.config().patches() + prompt - 1;
    logits.select(0, 0).narrow(0, first, units.len() as i64 * 8)
}

#[test]
fn greedy_takes_the_best_action_token_at_each_position() {
    let policy = talkative_policy();
    let request = DecodeRequest { log_probs: true, ..DecodeRequest::greedy(4) };
    let decoded = policy.decode(&picture(56, 56, 1), INSTRUCTION, &request).unwrap();
    assert_eq!(decoded.units.len(), 4);
    let vocab = ActionVocab::new(policy.config());
    let logits = logits_of(&policy, 1, &decoded.units);
    let log_probs = logits.log_softmax(1, Kind::Float);
    let reported = decoded.log_probs.unwrap();
    let mut free = 0;
    for (u, unit) in decoded.units.iter().enumerate() {
        for (d, token) in vocab.tokens(unit).into_iter().enumerate() {
            let row = (u * 8 + d) as i64;
            let best = logits.get(row).narrow(0, vocab.first(), i64::from(ACTION_BINS)).max();
            let gap = best.double_value(&[]) - logits.double_value(&[row, token]);
            assert!(gap < 1e-4, "unit {u} dimension {d}: {gap} below the best");
            let difference = log_probs.double_value(&[row, token]) - f64::from(reported[u][d]);
            assert!(difference.abs() < 1e-4, "unit {u} dimension {d}: {difference}");
            free += usize::from(logits.get(row).argmax(0, false).int64_value(&[]) == token);
        }
    }
    // Else the constraint was never put to the test.
    assert!(free < 28, "every token was the best of the whole vocabulary");
}

#[test]
fn forced_units_continue_as_if_decoded() {
    let policy = policy();
    let frame = picture(56, 56, 2);
    let whole = policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(4)).unwrap();
    for forced in 0..=4 {
        let forced = &whole.units[..forced];
        let request = DecodeRequest { forced, ..DecodeRequest::greedy(4) };
        let decoded = policy.decode(&frame, INSTRUCTION, &request).unwrap();
        assert_eq!(decoded.units, whole.units);
    }
    let other = [ActionUnit([1, 256, 128, 3, 77, 200, 255])];
    let request = DecodeRequest { forced: &other, ..DecodeRequest::greedy(2) };
    let decoded = policy.decode(&frame, INSTRUCTION, &request).unwrap();
    assert_eq!(decoded.units[0], other[0]);
    assert_ne!(decoded.units[1], whole.units[1], "the forced unit must be seen");
}

#[test]
fn a_shorter_horizon_is_a_prefix() {
    let policy = policy();
    let frame = picture(70, 40, 3);
    let whole = policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(4)).unwrap();
    for horizon in 1..4 {
        let decoded = policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(horizon)).unwrap();
        assert_eq!(decoded.units, whole.units[..horizon]);
    }
}

#[test]
fn log_probs_do_not_change_the_choice() {
    let policy = policy();
    let frame = picture(56, 56, 4);
    let plain = policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(4)).unwrap();
    let request = DecodeRequest { log_probs: true, ..DecodeRequest::greedy(4) };
    assert_eq!(policy.decode(&frame, INSTRUCTION, &request).unwrap().units, plain.units);
    assert_eq!(plain.log_probs, None);
    assert_eq!(plain.timings, None);
}

#[test]
fn a_batch_equals_its_items() {
    let policy = policy();
    let frames = [picture(56, 56, 5), picture(90, 60, 6)];
    // Of equal length in words.
    let asked = [INSTRUCTION, "put the orange cup on the green plate"];
    let request = DecodeRequest { log_probs: true, ..DecodeRequest::greedy(3) };
    let items = [(&frames[0], asked[0]), (&frames[1], asked[1])];
    let batch = policy.decode_batch(&items, &request).unwrap();
    for (together, (frame, instruction)) in batch.iter().zip(items) {
        let alone = policy.decode(frame, instruction, &request).unwrap();
        assert_eq!(together.units, alone.units);
    }
    assert_ne!(batch[0].units, batch[1].units);
    assert!(policy.decode_batch(&[], &request).unwrap().is_empty());
}

#[test]
fn top_k_draws_among_the_best_by_its_seed() {
    let policy = policy();
    let frame = picture(56, 56, 7);
    let decode = |k, seed| {
        let method = DecodeMethod::TopK { k, temperature: 1.0, seed };
        let request = DecodeRequest { method, ..DecodeRequest::greedy(3) };
        policy.decode(&frame, INSTRUCTION, &request).unwrap().units
    };
    let greedy = policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(3)).unwrap().units;
    assert_eq!(decode(1, 11), greedy);
    assert_eq!(decode(5, 11), decode(5, 11));
    let streams: Vec<_> = (0..8).map(|seed| decode(5, seed)).collect();
    assert!(streams.iter().any(|units| *units != streams[0]), "seeds must matter");

    let vocab = ActionVocab::new(policy.config());
    let logits = logits_of(&policy, 7, &streams[0]);
    for (u, unit) in streams[0].iter().enumerate() {
        for (d, token) in vocab.tokens(unit).into_iter().enumerate() {
            let row = logits.get((u * 8 + d) as i64);
            let actions = row.narrow(0, vocab.first(), i64::from(ACTION_BINS));
            let better = actions.gt_tensor(&row.get(token)).sum(Kind::Int64).int64_value(&[]);
            assert!(better < 5, "unit {u} dimension {d}: {better} tokens are better");
        }
    }
}

#[test]
fn a_policy_can_move_to_the_thread_that_decodes() {
    let (policy, frame) = (policy(), picture(56, 56, 1));
    let here = policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(1)).unwrap();
    let there = std::thread::spawn(move || {
        policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(1)).unwrap()
    });
    assert_eq!(there.join().unwrap(), here);
}

/// Moves on by one millisecond whenever it is read.
#[derive(Default)]
struct CountingClock(AtomicU64);

impl Clock for CountingClock {
    fn now_ns(&self) -> u64 {
        self.0.fetch_add(1_000_000, Ordering::SeqCst)
    }
}

#[test]
fn timings_come_from_the_clock_that_was_given() {
    let policy = policy();
    let clock = CountingClock::default();
    let request = DecodeRequest { clock: Some(&clock), ..DecodeRequest::greedy(2) };
    let frame = picture(56, 56, 8);
    let decoded = policy.decode(&frame, INSTRUCTION, &request).unwrap();
    let ms = 1_000_000;
    let each = Timings { image_ns: ms, vision_ns: ms, prefill_ns: ms, decode_ns: ms };
    assert_eq!(decoded.timings, Some(each));
    let request = DecodeRequest { forced: &decoded.units, ..request };
    let forced = policy.decode(&frame, INSTRUCTION, &request).unwrap();
    assert_eq!(forced.timings, Some(Timings { decode_ns: 0, ..each }), "nothing to decode");
}

#[test]
fn bfloat16_decodes() {
    let checkpoint = tiny_checkpoint();
    let options = LoadOptions { device: Device::Cpu, kind: Some(Kind::BFloat16), statistics: None };
    let policy = Policy::load_with(checkpoint.path(), &options).unwrap();
    let request = DecodeRequest { log_probs: true, ..DecodeRequest::greedy(4) };
    let decoded = policy.decode(&picture(56, 56, 1), INSTRUCTION, &request).unwrap();
    assert_eq!(decoded.units.len(), 4);
    assert!(decoded.log_probs.unwrap().iter().flatten().all(|value| *value <= 0.0));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let policy = policy();
    let frame = picture(56, 56, 9);
    let refusal =
        |request: &DecodeRequest| policy.decode(&frame, INSTRUCTION, request).unwrap_err();
    for asked in [0, 5] {
        let error = refusal(&DecodeRequest::greedy(asked));
        assert!(matches!(error, ModelError::Horizon { trained: 4, .. }), "{error}");
    }
    let units = [ActionUnit([128; 7]); 3];
    let error = refusal(&DecodeRequest { forced: &units, ..DecodeRequest::greedy(2) });
    assert!(matches!(error, ModelError::TooManyForced { forced: 3, horizon: 2 }), "{error}");
    for bin in [0, 257] {
        let forced = [units[0], ActionUnit([9, 9, 9, bin, 9, 9, 9])];
        let error = refusal(&DecodeRequest { forced: &forced, ..DecodeRequest::greedy(3) });
        assert!(
            matches!(error, ModelError::Bin { unit: 1, dimension: 3, bin: found } if found == bin),
            "{error}"
        );
    }
    for (k, temperature) in [(0, 1.0), (257, 1.0), (5, 0.0), (5, f64::NAN)] {
        let method = DecodeMethod::TopK { k, temperature, seed: 0 };
        let error = refusal(&DecodeRequest { method, ..DecodeRequest::greedy(1) });
        assert!(matches!(error, ModelError::Sampling { .. }), "{error}");
    }
    let items = [(&frame, INSTRUCTION), (&frame, "put the carrot in the pan")];
    let error = policy.decode_batch(&items, &DecodeRequest::greedy(1)).unwrap_err();
    assert!(matches!(error, ModelError::UnequalPrompts { .. }), "{error}");
}

#[test]
fn a_prompt_longer_than_the_model_is_refused() {
    let checkpoint = tiny_checkpoint();
    let path = checkpoint.path().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let short =
        text.replace("\"max_position_embeddings\": 2048", "\"max_position_embeddings\": 60");
    assert_ne!(short, text);
    std::fs::write(&path, short).unwrap();
    let policy = Policy::load(checkpoint.path(), Device::Cpu).unwrap();
    let frame = picture(56, 56, 10);
    assert!(policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(1)).is_ok());
    let error = policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(4)).unwrap_err();
    assert!(matches!(error, ModelError::TooLong { available: 60, .. }), "{error}");
}
