//! Greedy decoding under the grammar, through a loaded policy.

use crate::support::{
    ask, assert_scores_match, head_scaled_checkpoint, logits_of, picture, tiny_checkpoint,
};
use jaco_core::codec::ACTION_BINS;
use jaco_core::{ActionUnit, Clock, Frame};
use jaco_model::{
    ActionVocab, DecodeMethod, DecodeRequest, LiberoView, LoadOptions, ModelError, OpenVlaPolicy,
    Policy, Timings,
};
use std::sync::atomic::{AtomicU64, Ordering};
use tch::{Device, Kind};

pub const INSTRUCTION: &str = "put the blue cube on the green plate";

fn policy() -> OpenVlaPolicy {
    OpenVlaPolicy::load(tiny_checkpoint().path(), Device::Cpu).unwrap()
}

/// A policy whose head prefers words to actions wherever it is not kept from it: the rows of the
/// words lie below those of the action tokens.
pub fn talkative_policy() -> OpenVlaPolicy {
    let checkpoint = head_scaled_checkpoint(0..64, 30.0);
    OpenVlaPolicy::load(checkpoint.path(), Device::Cpu).unwrap()
}

#[test]
fn greedy_takes_the_best_action_token_at_each_position() {
    let policy = talkative_policy();
    let request = DecodeRequest { full_log_probs: true, ..DecodeRequest::greedy(4) };
    let stream = ask(&policy, 1, &request);
    assert_eq!(stream.units.len(), 4);
    let vocab = ActionVocab::new(policy.config());
    let logits = logits_of(&policy, 1, &stream.units);
    let log_probs = logits.log_softmax(1, Kind::Float);
    let mut free = 0;
    for (u, unit) in stream.units.iter().enumerate() {
        for (d, token) in vocab.tokens(unit).into_iter().enumerate() {
            assert_eq!(stream.tokens[u * 7 + d], token);
            let row = (u * 8 + d) as i64;
            let best = logits.get(row).narrow(0, vocab.first(), i64::from(ACTION_BINS)).max();
            let gap = best.double_value(&[]) - logits.double_value(&[row, token]);
            assert!(gap < 1e-4, "unit {u} dimension {d}: {gap} below the best");
            let reported = f64::from(stream.confidence[u].log_probs[d]);
            let difference = log_probs.double_value(&[row, token]) - reported;
            assert!(difference.abs() < 1e-4, "unit {u} dimension {d}: {difference}");
            free += usize::from(logits.get(row).argmax(0, false).int64_value(&[]) == token);
        }
    }
    // Else the constraint was never put to the test.
    assert!(free < 28, "every token was the best of the whole vocabulary");
    assert_eq!(stream.violations(), 0);
}

#[test]
fn confidence_is_over_the_action_tokens_unless_asked_otherwise() {
    let policy = talkative_policy();
    let stream = ask(&policy, 1, &DecodeRequest::greedy(3));
    let vocab = ActionVocab::new(policy.config());
    let actions =
        logits_of(&policy, 1, &stream.units).narrow(1, vocab.first(), i64::from(ACTION_BINS));
    let log_probs = actions.log_softmax(1, Kind::Double);
    let surprise: tch::Tensor = log_probs.exp() * &log_probs * -1.0;
    let entropies = surprise.sum_dim_intlist(1, false, Kind::Double);
    for (u, (unit, confidence)) in stream.units.iter().zip(&stream.confidence).enumerate() {
        let (mut entropy, mut score) = (0.0, 0.0);
        for (d, token) in vocab.tokens(unit).into_iter().enumerate() {
            let row = (u * 8 + d) as i64;
            entropy += entropies.double_value(&[row]) / 7.0;
            score += log_probs.double_value(&[row, token - vocab.first()]);
        }
        assert!((entropy - f64::from(confidence.entropy)).abs() < 1e-4, "unit {u}: {entropy}");
        assert!((score - f64::from(confidence.score())).abs() < 1e-4, "unit {u}: {score}");
    }
    let sum: f32 = stream.confidence.iter().map(|unit| unit.score()).sum();
    assert!((stream.score() - sum).abs() < 1e-4);
}

#[test]
fn forced_units_continue_as_if_decoded() {
    let policy = policy();
    let whole = ask(&policy, 2, &DecodeRequest::greedy(4)).units;
    for forced in 0..=4 {
        let request = DecodeRequest { forced: &whole[..forced], ..DecodeRequest::greedy(4) };
        let stream = ask(&policy, 2, &request);
        assert_eq!(stream.units, whole);
        assert_eq!(stream.confidence.len(), 4 - forced);
    }
    let other = [ActionUnit([1, 256, 128, 3, 77, 200, 255])];
    let request = DecodeRequest { forced: &other, ..DecodeRequest::greedy(2) };
    let stream = ask(&policy, 2, &request);
    assert_eq!(stream.units[0], other[0]);
    assert_ne!(stream.units[1], whole[1], "the forced unit must be seen");
}

#[test]
fn a_shorter_horizon_is_a_prefix() {
    let policy = policy();
    let whole = ask(&policy, 3, &DecodeRequest::greedy(4)).units;
    for horizon in 1..4 {
        let stream = ask(&policy, 3, &DecodeRequest::greedy(horizon));
        assert_eq!(stream.units, whole[..horizon]);
    }
}

#[test]
fn full_log_probs_do_not_change_the_choice() {
    let policy = policy();
    let plain = ask(&policy, 4, &DecodeRequest::greedy(4));
    let request = DecodeRequest { full_log_probs: true, ..DecodeRequest::greedy(4) };
    let full = ask(&policy, 4, &request);
    assert_eq!(full.units, plain.units);
    assert!(full.score() < plain.score(), "words take a share of the probability");
}

/// Two questions of equal length in words, about pictures of different sizes.
const ASKED: [(&str, [u32; 3]); 2] =
    [(INSTRUCTION, [56, 56, 5]), ("put the orange cup on the green plate", [90, 60, 6])];

fn frames() -> [Frame; 2] {
    ASKED.map(|(_, [width, height, seed])| picture(width, height, seed))
}

fn items(frames: &[Frame; 2]) -> [(&Frame, &'static str); 2] {
    [0, 1].map(|i| (&frames[i], ASKED[i].0))
}

#[test]
fn a_batch_equals_its_items() {
    let (policy, frames) = (policy(), frames());
    for method in [DecodeMethod::Greedy, DecodeMethod::Beam { width: 3 }] {
        let request = DecodeRequest { method, ..DecodeRequest::greedy(3) };
        let batch = policy.decode_batch(&items(&frames), &request).unwrap();
        for (together, (frame, instruction)) in batch.iter().zip(items(&frames)) {
            let alone = policy.decode(frame, instruction, &request).unwrap();
            assert_eq!(together.streams.len(), method.streams());
            for (together, alone) in together.streams.iter().zip(&alone.streams) {
                assert_eq!(together.units, alone.units, "{method}");
                let difference = (together.score() - alone.score()).abs();
                assert!(difference < 1e-4, "{method}: scores differ by {difference}");
            }
        }
        assert_ne!(batch[0].best().units, batch[1].best().units);
    }
    assert!(policy.decode_batch(&[], &DecodeRequest::greedy(3)).unwrap().is_empty());
}

/// The draws of a batch are not those of its items, but what is drawn must be as likely as it is
/// said to be after its own picture and instruction.
#[test]
fn samples_of_a_batch_follow_their_own_item() {
    let (policy, frames) = (policy(), frames());
    let method = DecodeMethod::TopK { k: 40, temperature: 2.0, seed: 4, samples: 3 };
    let request = DecodeRequest { method, ..DecodeRequest::greedy(3) };
    let batch = policy.decode_batch(&items(&frames), &request).unwrap();
    assert_eq!(batch.len(), 2);
    for (answer, (frame, instruction)) in batch.iter().zip(items(&frames)) {
        assert_eq!(answer.streams.len(), 3);
        let first = &answer.streams[0].units;
        assert!(answer.streams.iter().any(|stream| stream.units != *first), "all are equal");
        for stream in &answer.streams {
            assert_scores_match(&policy, frame, instruction, stream);
        }
    }
}

#[test]
fn a_policy_can_move_to_the_thread_that_decodes() {
    let policy = policy();
    let here = ask(&policy, 1, &DecodeRequest::greedy(1));
    let there = std::thread::spawn(move || ask(&policy, 1, &DecodeRequest::greedy(1)));
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
    let request = DecodeRequest { forced: &decoded.best().units, ..request };
    let forced = policy.decode(&frame, INSTRUCTION, &request).unwrap();
    assert_eq!(forced.timings, Some(Timings { decode_ns: 0, ..each }), "nothing to decode");
    let unmeasured = policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(1)).unwrap();
    assert_eq!(unmeasured.timings, None);
}

#[test]
fn bfloat16_decodes() {
    let checkpoint = tiny_checkpoint();
    let options = LoadOptions { kind: Some(Kind::BFloat16), ..LoadOptions::plain(Device::Cpu) };
    let policy = OpenVlaPolicy::load_with(checkpoint.path(), &options).unwrap();
    let stream = ask(&policy, 1, &DecodeRequest::greedy(4));
    assert_eq!(stream.units.len(), 4);
    assert!(stream.confidence.iter().all(|unit| unit.score() <= 0.0));
}

#[test]
fn a_view_is_what_the_policy_sees() {
    let checkpoint = tiny_checkpoint();
    let view = LiberoView::LIBERO;
    let options = LoadOptions { view: Some(view), ..LoadOptions::plain(Device::Cpu) };
    let through = OpenVlaPolicy::load_with(checkpoint.path(), &options).unwrap();
    let (plain, request) = (policy(), DecodeRequest::greedy(3));
    let frame = picture(90, 60, 4);
    let prepared = view.apply(&frame, 56).unwrap();
    let decode = |policy: &OpenVlaPolicy, frame| {
        policy.decode(frame, INSTRUCTION, &request).unwrap().into_best()
    };
    assert_eq!(decode(&through, &frame), decode(&plain, &prepared));
    assert_ne!(decode(&through, &frame), decode(&plain, &frame));
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
    let policy = OpenVlaPolicy::load(checkpoint.path(), Device::Cpu).unwrap();
    let frame = picture(56, 56, 10);
    assert!(policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(1)).is_ok());
    let error = policy.decode(&frame, INSTRUCTION, &DecodeRequest::greedy(4)).unwrap_err();
    assert!(matches!(error, ModelError::TooLong { available: 60, .. }), "{error}");
}
