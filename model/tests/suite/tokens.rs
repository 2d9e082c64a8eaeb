//! Action tokens and values against OpenVLA's action tokenizer.

use crate::support::{Tensors, fixtures};
use jaco_core::{Action, ActionCodec, ActionStatistics, ActionUnit};
use jaco_model::{ActionVocab, ModelError, OpenVlaConfig};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// The vocabulary of the published checkpoint.
fn vocab() -> ActionVocab {
    ActionVocab::new(&OpenVlaConfig::default())
}

fn rows<T: Copy + tch::kind::Element>(tensor: &Tensor) -> Vec<[T; 7]>
where
    Vec<T>: TryFrom<Tensor, Error: std::fmt::Debug>,
{
    let flat = Vec::<T>::try_from(tensor.flatten(0, 1)).unwrap();
    flat.as_chunks::<7>().0.to_vec()
}

fn golden() -> Tensors {
    Tensors::read(&fixtures().join("action_tokenizer/action_tokenizer.safetensors"))
}

fn statistics() -> BTreeMap<String, ActionStatistics> {
    let path = fixtures().join("action_tokenizer/norm_stats.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A codec under which normalised values are the action's own.
fn identity() -> ActionCodec {
    let statistics = ActionStatistics { q01: [-1.0; 7], q99: [1.0; 7], mask: [false; 7] };
    ActionCodec::new(statistics).unwrap()
}

#[test]
fn encoding_and_decoding_match() {
    let (golden, vocab, codec) = (golden(), vocab(), identity());
    let actions = rows::<f64>(&golden.get("actions_f32").to_kind(Kind::Double));
    let tokens = rows::<i64>(golden.get("token_ids"));
    let decoded = rows::<f64>(golden.get("decoded_f64"));
    for ((action, tokens), decoded) in actions.into_iter().zip(tokens).zip(decoded) {
        let unit = codec.encode(&Action::from_array(action));
        assert_eq!(vocab.tokens(&unit), tokens, "{action:?}");
        assert_eq!(vocab.unit(&tokens).unwrap(), unit);
        assert_eq!(codec.decode(&unit).to_array(), decoded, "{action:?}");
    }
}

#[test]
fn values_in_the_units_of_a_dataset_match() {
    let (golden, vocab, statistics) = (golden(), vocab(), statistics());
    let tokens = rows::<i64>(golden.get("token_ids"));
    for name in ["libero_like", "bridge_like", "no_mask", "degenerate"] {
        let codec = ActionCodec::new(statistics[name]).unwrap();
        let expected = rows::<f64>(golden.get(&format!("unnorm.{name}")));
        for (tokens, expected) in tokens.iter().zip(expected) {
            let found = codec.decode(&vocab.unit(tokens).unwrap()).to_array();
            for (found, expected) in found.into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-15 * 8.0, "{name}: {found} {expected}");
            }
        }
    }
    for name in ["libero_like", "bridge_like", "no_mask", "degenerate"] {
        let codec = ActionCodec::new(statistics[name]).unwrap();
        let actions = rows::<f64>(golden.get(&format!("unnorm.{name}")));
        let expected = rows::<f64>(golden.get(&format!("renorm.{name}")));
        for (action, expected) in actions.into_iter().zip(expected) {
            let found = codec.encode_values(&Action::from_array(action));
            for (found, expected) in found.into_iter().zip(expected) {
                // The loader computes in float32.
                assert!((found - expected).abs() < 1e-6, "{name}: {found} {expected}");
            }
        }
    }
}

#[test]
fn a_libero_environment_gets_its_own_gripper_command() {
    let golden = golden();
    let openings = rows::<f64>(golden.get("unnorm.libero_like"));
    let commands = rows::<f64>(golden.get("libero_env_action"));
    for (opening, command) in openings.into_iter().zip(commands) {
        assert_eq!(opening[..6], command[..6]);
        assert_eq!(jaco_core::gripper::libero_command(opening[6]), command[6], "{opening:?}");
    }
}

#[test]
fn words_are_no_actions() {
    let vocab = vocab();
    assert_eq!((vocab.first(), vocab.last(), vocab.separator()), (31744, 31999, 29936));
    let mut tokens = [31744, 31999, 31800, 31801, 31802, 31803, 31804];
    assert_eq!(vocab.unit(&tokens).unwrap().0[..2], [256, 1]);
    for wrong in [31743, 32000, 29936, -1] {
        tokens[4] = wrong;
        let error = vocab.unit(&tokens).unwrap_err();
        assert!(matches!(error, ModelError::NotAnAction { token, .. } if token == wrong));
    }
}

proptest! {
    #[test]
    fn units_survive_the_vocabulary(bins in prop::collection::vec(prop::array::uniform7(1u16..=256), 0..5)) {
        let (vocab, units) = (vocab(), bins.into_iter().map(ActionUnit).collect::<Vec<_>>());
        let tokens = vocab.stream_tokens(&units).unwrap();
        prop_assert_eq!(tokens.len(), units.len() * 8);
        for (unit, tokens) in units.iter().zip(tokens.as_chunks::<8>().0) {
            prop_assert_eq!(tokens[7], vocab.separator());
            prop_assert_eq!(vocab.unit(&tokens[..7].try_into().unwrap()).unwrap(), *unit);
        }
    }
}
