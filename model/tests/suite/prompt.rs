//! Prompts as text and as tokens of the mini policy's tokenizer.

use crate::support::{fixtures, mini};
use jaco_core::Task;
use jaco_model::prompt::prompt_text;
use jaco_model::{ModelError, OpenVlaConfig, PromptTokenizer};
use std::fs;

fn tokenizer(suffix: Option<i64>) -> PromptTokenizer {
    let mut config = OpenVlaConfig::read(&mini().join("config.json")).unwrap();
    config.action_stream.prompt_suffix_token_id = suffix;
    PromptTokenizer::read(&mini().join("tokenizer.json"), &config).unwrap()
}

#[test]
fn the_question_is_openvlas() {
    assert_eq!(
        prompt_text(" Put the Blue CUBE on it "),
        "In: What action should the robot take to put the blue cube on it?\nOut:"
    );
}

#[test]
fn every_task_can_be_asked() {
    let tokenizer = tokenizer(None);
    let (frame, answer) = ([1, 4, 5, 6, 7, 8, 9, 10, 11, 12], [13, 14, 5]);
    for task in Task::ALL {
        let ids = tokenizer.encode(task.instruction()).unwrap();
        let words = task.instruction().split_whitespace().count();
        assert_eq!(ids.len(), frame.len() - 1 + 1 + words + answer.len(), "{task}");
        assert_eq!(ids[..frame.len()], frame, "{task}");
        assert_eq!(ids[ids.len() - answer.len()..], answer, "{task}");
        let shouted = tokenizer.encode(&task.instruction().to_uppercase()).unwrap();
        assert_eq!(shouted, ids, "{task}");
    }
}

#[test]
fn the_suffix_is_appended_once() {
    let plain = tokenizer(None).encode("push the red box").unwrap();
    let mut suffixed = plain.clone();
    suffixed.push(3);
    assert_eq!(tokenizer(Some(3)).encode("push the red box").unwrap(), suffixed);
    // Prompts already end in ":".
    assert_eq!(tokenizer(Some(5)).encode("push the red box").unwrap(), plain);
}

#[test]
fn unknown_words_are_refused_by_name() {
    let error = tokenizer(None).encode("push the hippopotamus out of Utrecht").unwrap_err();
    let ModelError::Prompt { problem, .. } = &error else { panic!("{error}") };
    assert!(problem.contains("hippopotamus, utrecht"), "{problem}");
}

#[test]
fn a_tokenizer_without_bos_is_refused() {
    let text = fs::read_to_string(mini().join("tokenizer.json")).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["post_processor"] = serde_json::Value::Null;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    fs::write(&path, value.to_string()).unwrap();
    let config = OpenVlaConfig::read(&mini().join("config.json")).unwrap();
    let error = PromptTokenizer::read(&path, &config).unwrap().encode("push").unwrap_err();
    assert!(error.to_string().contains("BOS token 1"), "{error}");

    fs::write(&path, "{}").unwrap();
    let error = PromptTokenizer::read(&path, &config).unwrap_err();
    assert!(matches!(error, ModelError::Tokenizer { .. }), "{error}");
}

/// Found by the fuzz target `tokenizer`: the tokenizers library panics at such a charsmap.
#[test]
fn a_tokenizer_that_the_library_panics_at_is_refused() {
    let text = fs::read_to_string(mini().join("tokenizer.json")).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let damaged = serde_json::json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"});
    value["normalizer"] = damaged;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokenizer.json");
    fs::write(&path, value.to_string()).unwrap();
    let config = OpenVlaConfig::read(&mini().join("config.json")).unwrap();
    let error = PromptTokenizer::read(&path, &config).unwrap_err();
    assert!(error.to_string().contains("no tokenizer that can be built"), "{error}");
}

/// Golden ids by an independent implementation of the published tokenizer.
#[test]
fn prompts_have_the_ids_of_the_published_tokenizer() {
    let folder = fixtures().join("llama-tokenizer");
    let published = OpenVlaConfig::default();
    let tokenizer = PromptTokenizer::read(&folder.join("tokenizer.json"), &published).unwrap();
    let golden: Vec<Golden> =
        serde_json::from_str(&fs::read_to_string(folder.join("prompts.json")).unwrap()).unwrap();
    assert_eq!(golden.len(), 7);
    for Golden { instruction, ids } in golden {
        let wanted: Vec<i64> = ids.into_iter().chain([29871]).collect();
        assert_eq!(tokenizer.encode(&instruction).unwrap(), wanted, "{instruction}");
    }
    // The last 256 tokens of the vocabulary are rare characters that OpenVLA made into actions.
    let error = tokenizer.encode("put the 茶 cup down").unwrap_err().to_string();
    assert!(error.contains("token 31954, one of the action tokens from 31744"), "{error}");
}

#[derive(serde::Deserialize)]
struct Golden {
    instruction: String,
    ids: Vec<i64>,
}

#[test]
fn instructions_without_words_or_with_far_too_many_are_refused() {
    let tokenizer = tokenizer(None);
    for empty in ["", "  ", "\n"] {
        let error = tokenizer.encode(empty).unwrap_err().to_string();
        assert!(error.contains("is empty"), "{error}");
    }
    let error = tokenizer.encode(&"push ".repeat(2000)).unwrap_err().to_string();
    assert!(error.contains("9999 characters") && error.len() < 300, "{error}");
}
