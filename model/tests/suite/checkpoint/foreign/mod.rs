//! Files as other people's programs write them, one small case for each public report: answered
//! with the right value, or refused in words that name file, key and remedy. Every case is a
//! change of one file in a folder that answers.

mod beside;

use super::load;
use crate::support::{Stored, mini, picture, write};
use jaco_model::checkpoint::inspect;
use jaco_model::{DecodeRequest, OpenVlaPolicy, Policy};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tch::Kind;
use tempfile::TempDir;

const INSTRUCTION: &str = "put the blue cube on the green plate";

/// A copy of the shipped policy with the image processor's file as the reference writes it.
fn checkpoint() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    load(&mini()).unwrap().save(&dir.path().join("it"), Kind::Float).unwrap();
    for entry in fs::read_dir(dir.path().join("it")).unwrap() {
        let from = entry.unwrap().path();
        fs::rename(&from, dir.path().join(from.file_name().unwrap())).unwrap();
    }
    fs::remove_dir(dir.path().join("it")).unwrap();
    dir
}

/// Log-probability of the answer, which any other prompt, picture or weight changes.
fn score(policy: &OpenVlaPolicy, instruction: &str) -> f64 {
    let stream = policy
        .decode(&picture(173, 301, 1), instruction, &DecodeRequest::greedy(2))
        .unwrap()
        .into_best();
    stream.confidence.iter().flat_map(|unit| &unit.log_probs).map(|&it| f64::from(it)).sum()
}

fn score_of(dir: &Path) -> f64 {
    score(&load(dir).unwrap(), INSTRUCTION)
}

/// What loading says when it refuses, and inspecting too.
#[track_caller]
fn refusal(dir: &Path) -> String {
    let said = load(dir).unwrap_err();
    assert!(said.is_unusable_input(), "{said}");
    let said = said.to_string();
    assert!(!said.contains(" column ") && !said.contains("Some("), "{said}");
    said
}

#[track_caller]
fn assert_refused(dir: &Path, words: &[&str]) {
    let said = refusal(dir);
    assert!(words.iter().all(|word| said.contains(word)), "{said}\nlacks one of {words:?}");
}

/// Merges `patch` into a JSON file, which may be absent.
fn patch(dir: &TempDir, file: &str, patch: Value) {
    let path = dir.path().join(file);
    let mut value = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => json!({}),
    };
    merge(&mut value, patch);
    fs::write(path, value.to_string()).unwrap();
}

fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch,
    }
}

/// Each patch of `file` alone must be refused with these words.
#[track_caller]
fn assert_each_refused(file: &str, cases: &[(Value, &[&str])]) {
    for (case, words) in cases {
        let dir = checkpoint();
        patch(&dir, file, case.clone());
        let said = refusal(dir.path());
        let named = words.iter().chain(&[file]).all(|word| said.contains(word));
        assert!(named, "{case}: {said}\nlacks one of {words:?}");
        assert!(inspect(dir.path()).is_err(), "{case}: inspect takes it");
    }
}

/// Each patch of `file` alone must change nothing.
#[track_caller]
fn assert_each_alike(file: &str, cases: &[Value]) {
    let wanted = score_of(&mini());
    for case in cases {
        let dir = checkpoint();
        patch(&dir, file, case.clone());
        assert_eq!(score_of(dir.path()), wanted, "{case}");
        inspect(dir.path()).unwrap();
    }
}

#[test]
fn config_keys_that_would_change_the_answer_are_refused_by_name() {
    assert_each_refused(
        "config.json",
        &[
            // openvla #10, #145
            (
                json!({"quantization_config": {"load_in_4bit": true, "quant_method": "bitsandbytes"}}),
                &["quantization_config", "quantised", "bf16"],
            ),
            (json!({"use_fused_vision_backbone": false}), &["single vision tower"]),
            (json!({"image_sizes": [224], "use_fused_vision_backbone": false}), &["single vision"]),
            (json!({"llm_backbone_id": "vicuna-v15-7b"}), &["another prompt"]),
            (json!({"llm_backbone_id": "mistral-v0.1-7b-pure"}), &["another language model"]),
            (json!({"hf_llm_id": "lmsys/vicuna-7b-v1.5"}), &["hf_llm_id", "vicuna"]),
            (json!({"architectures": ["LlavaForConditionalGeneration"]}), &["architectures"]),
            (json!({"model_type": "prismatic"}), &["model_type"]),
            (json!({"use_l1_regression": true}), &["continuous head"]),
            (json!({"num_images_in_input": 2}), &["num_images_in_input"]),
            (
                json!({"vla": {"base_vlm": "prism-dinosiglip-224px+7b"}, "aaa": 1}),
                &["Prismatic", "convert"],
            ),
            (json!({"hf_llm_id": "meta-llama/Llama-2-7b-chat-hf"}), &["hf_llm_id", "prompt"]),
            (
                json!({"fixture_separator_token_id": 3, "n_action_bins": i64::MIN}),
                &["n_action_bins"],
            ),
            (json!({"repetition_penalty": 1.2}), &["repetition_penalty"]),
            (json!({"new_trick": 3}), &["new_trick", "not among the known keys"]),
            (json!({"text_config": {"new_trick": 3}}), &["text_config.new_trick"]),
            (json!({"text_config": {"model_type": "mistral"}}), &["text_config.model_type"]),
            (json!({"text_config": {"sliding_window": 4096}}), &["text_config.sliding_window"]),
            (json!({"text_config": {"head_dim": 64}}), &["text_config.head_dim", "128 / 4"]),
            (json!({"text_config": {"mlp_bias": true}}), &["text_config.mlp_bias"]),
            (
                json!({"text_config": {"hidden_size": "128"}}),
                &["hidden_size = \"128\"", "whole number"],
            ),
            (json!({"text_config": {"rms_norm_eps": "NaN"}}), &["rms_norm_eps"]),
            (json!({"text_config": []}), &["text_config", "must be an object"]),
            (
                json!({"text_config": {"rope_scaling": {"type": "linear", "factor": 4.0}}}),
                &["text_config.rope_scaling", "linear"],
            ),
            // vllm #42624, #44158
            (
                json!({"text_config": {"rope_theta": null, "rope_parameters":
                    {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}}}),
                &["text_config.rope_parameters", "linear"],
            ),
            (
                json!({"text_config": {"rope_theta": 10000.0, "rope_parameters":
                    {"rope_type": "default", "rope_theta": 100.0}}}),
                &["text_config.rope_parameters.rope_theta = 100", "rope_theta = 10000"],
            ),
            (json!({"image_resize_strategy": "stretch"}), &["resize-naive, letterbox"]),
            (json!({"image_sizes": "128"}), &["image_sizes", "two whole numbers"]),
        ],
    );
}

#[test]
fn config_keys_without_effect_are_ignored() {
    assert_each_alike(
        "config.json",
        &[
            json!({"quantization_config": null, "torch_dtype": "bfloat16", "dtype": "float16"}),
            json!({"_name_or_path": "/somewhere", "transformers_version": "5.1.0", "use_cache": false}),
            json!({"num_beams": 1, "repetition_penalty": 1.0, "temperature": 0.2, "bad_words_ids": null}),
            json!({"text_config": {"attention_dropout": 0.1, "head_dim": 32, "pretraining_tp": 2}}),
            json!({"text_config": {"rope_theta": null, "rope_parameters":
                {"rope_type": "default", "rope_theta": 10000.0}}}),
            json!({"text_config": {"rope_scaling": {"rope_type": "default"}}}),
            json!({"text_config": {"num_key_value_heads": null, "hidden_act": "swish"}}),
            json!({"hf_llm_id": "/data/models/base", "hidden_size": 128, "use_film": 0}),
            json!({"text_config": {"rope_scaling": {"type": "linear", "factor": 1.0}}}),
        ],
    );
}

/// vllm #42624, #44158: the base was read as 10000 whatever transformers 5 had written.
#[test]
fn the_rotary_base_is_read_where_transformers_5_writes_it() {
    let scores = [
        json!({"text_config": {"rope_theta": 100.0}}),
        json!({"text_config": {"rope_theta": null, "rope_parameters":
            {"rope_type": "default", "rope_theta": 100.0}}}),
    ];
    let scores = scores.map(|case| {
        let dir = checkpoint();
        patch(&dir, "config.json", case);
        let policy = load(dir.path()).unwrap();
        assert_eq!(policy.config().text_config.rope_theta, 100.0);
        score(&policy, INSTRUCTION)
    });
    assert_eq!(scores[0], scores[1]);
    assert_ne!(scores[0], score_of(&mini()));
}

/// vlsa-aegis #10, SimpleVLA-RL #17, #22: decoded as tokens although a head regresses.
#[test]
fn a_continuous_head_beside_the_weights_is_refused_by_name() {
    for name in [
        "action_decoder-20000.pt",
        "action_head--150000_checkpoint.pt",
        "proprio_projector--latest_checkpoint.pt",
        "noisy_action_projector--5_checkpoint.pt",
        "action_head.safetensors",
    ] {
        let dir = checkpoint();
        fs::write(dir.path().join(name), b"PK\x03\x04").unwrap();
        assert_refused(dir.path(), &[name, "continuous head"]);
        assert!(inspect(dir.path()).is_err());
    }
    let dir = checkpoint();
    let code = "def _regression_or_discrete_prediction(self, input_embeddings):";
    fs::write(dir.path().join("modeling_prismatic.py"), code).unwrap();
    assert_refused(dir.path(), &["modeling_prismatic.py", "token by token"]);
    let dir = checkpoint();
    for harmless in ["training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth"] {
        fs::write(dir.path().join(harmless), b"PK\x03\x04").unwrap();
    }
    assert_eq!(score_of(dir.path()), score_of(&mini()));
}

/// Adds a tensor of zeros to the weights.
fn add_tensor(dir: &TempDir, name: &str, count: usize) {
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let stored = |view: &TensorView| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
    let mut tensors: Vec<(String, Stored)> =
        file.iter().map(|(name, view)| (name.to_owned(), stored(&view))).collect();
    tensors.push((name.to_owned(), (Dtype::F32, vec![count], vec![0; 4 * count])));
    write(&path, &tensors);
}

/// openvla #10, #145: 63 names without the word that says what they are.
#[test]
fn quantised_tensors_are_called_so() {
    let dir = checkpoint();
    add_tensor(&dir, "language_model.model.layers.0.mlp.up_proj.weight.absmax", 1);
    assert_refused(dir.path(), &["quantised", "bf16", "absmax"]);
}

/// What older versions of transformers stored beside the weights, and no version reads.
#[test]
fn a_stored_rotary_table_is_ignored() {
    let dir = checkpoint();
    add_tensor(&dir, "language_model.model.layers.0.self_attn.rotary_emb.inv_freq", 16);
    assert_eq!(score_of(dir.path()), score_of(&mini()));
}

/// vla-evaluation-harness #149: OpenVLA's processor obeys its own file.
#[test]
fn the_processors_file_says_how_a_picture_becomes_a_square() {
    let by_config = |strategy: &str| {
        let dir = checkpoint();
        fs::remove_file(dir.path().join("preprocessor_config.json")).unwrap();
        patch(&dir, "config.json", json!({"image_resize_strategy": strategy}));
        score_of(dir.path())
    };
    let (naive, letterbox) = (by_config("resize-naive"), by_config("letterbox"));
    let crop = by_config("resize-crop");
    assert!(naive != letterbox && naive != crop && letterbox != crop);
    for (processor, wanted) in [
        (json!({"image_resize_strategy": "letterbox"}), letterbox),
        (
            json!({"image_resize_strategy": "resize-crop", "means": [[0.485, 0.456, 0.406], [0.5, 0.5, 0.5]]}),
            crop,
        ),
        (
            json!({"image_resize_strategy": "resize-naive", "tvf_do_letterbox": false,
                "tvf_resize_params": [
                    {"size": [128, 128], "interpolation": 3, "antialias": true, "max_size": null},
                    {"size": [128, 128], "interpolation": 3, "antialias": true, "max_size": null}]}),
            naive,
        ),
        (json!({"tvf_do_letterbox": true, "tvf_letterbox_fill": [127, 127, 127]}), letterbox),
        // What is not stored follows from the strategy, whose default is the letterbox.
        (json!({"tvf_resize_params": [{"size": 128}, {"size": [128]}]}), letterbox),
        (
            json!({"tvf_do_letterbox": false, "tvf_resize_params": [{"size": 128}, {"size": 128}]}),
            crop,
        ),
        (json!({"size": {"height": 10}, "do_resize": true, "image_mean": [0, 0, 0]}), naive),
    ] {
        let dir = checkpoint();
        fs::write(dir.path().join("preprocessor_config.json"), processor.to_string()).unwrap();
        assert_eq!(score_of(dir.path()), wanted, "{processor}");
    }
}

/// transformers 5 keeps the image processor in the file of all processors.
#[test]
fn the_joint_processors_file_is_read_and_may_not_contradict() {
    let dir = checkpoint();
    let own = dir.path().join("preprocessor_config.json");
    let image_processor: Value = serde_json::from_slice(&fs::read(&own).unwrap()).unwrap();
    patch(&dir, "processor_config.json", json!({ "image_processor": image_processor }));
    assert_eq!(score_of(dir.path()), score_of(&mini()));
    let steps = json!({"image_processor": {"image_resize_strategy": "letterbox", "tvf_do_letterbox": true,
        "tvf_resize_params": null}});
    patch(&dir, "processor_config.json", steps);
    assert_refused(dir.path(), &["processor_config.json", "preprocessor_config.json", "otherwise"]);
    fs::remove_file(own).unwrap();
    assert_ne!(score_of(dir.path()), score_of(&mini()));
}

#[test]
fn a_processor_that_does_something_else_is_refused() {
    assert_each_refused(
        "preprocessor_config.json",
        &[
            (json!({"image_processor_type": "CLIPImageProcessor"}), &["image_processor_type"]),
            // The strategy was changed by hand, the steps were not.
            (json!({"image_resize_strategy": "letterbox"}), &["image_resize_strategy", "tvf_"]),
            (json!({"tvf_do_letterbox": true}), &["contradicts itself"]),
            (json!({"interpolations": ["bilinear", "bilinear"]}), &["interpolations", "bicubic"]),
            (json!({"input_sizes": [[3, 224, 224], [3, 224, 224]]}), &["input_sizes", "128"]),
            (json!({"use_fused_vision_backbone": false}), &["two towers"]),
            (
                json!({"tvf_normalize_params": [{"mean": [0, 0, 0], "std": [1, 0, 1]},
                    {"mean": [0, 0, 0], "std": [1, 1, 1]}]}),
                &["tvf_normalize_params", "positive"],
            ),
            (json!({"tvf_letterbox_fill": [1, 2]}), &["tvf_letterbox_fill"]),
            (json!({"sharpen": true}), &["sharpen", "not among the known keys"]),
        ],
    );
}

/// dynamo #12656, daulet/tokenizers #30: 64 padding tokens were asked with the instruction.
#[test]
fn what_a_tokenizer_was_last_called_with_is_not_applied() {
    assert_each_alike(
        "tokenizer.json",
        &[
            json!({"padding": {"strategy": {"Fixed": 64}, "direction": "Right", "pad_id": 2,
                "pad_to_multiple_of": null, "pad_type_id": 0, "pad_token": "</s>"}}),
            json!({"padding": {"strategy": "BatchLongest", "direction": "Left", "pad_id": 0,
                "pad_to_multiple_of": 8, "pad_type_id": 0, "pad_token": "<pad>"}}),
            json!({"truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst",
                "stride": 0}}),
        ],
    );
    assert_each_alike(
        "tokenizer_config.json",
        &[json!({"add_bos_token": true, "add_eos_token": false, "padding_side": "left",
            "tokenizer_class": "LlamaTokenizer", "legacy": false, "model_input_names": ["input_ids"],
            "added_tokens_decoder": {"1": {"content": "<s>", "special": true}}})],
    );
    assert_each_refused(
        "tokenizer_config.json",
        &[
            (json!({"add_bos_token": false}), &["add_bos_token"]),
            (json!({"add_eos_token": true}), &["add_eos_token"]),
            (
                json!({"added_tokens_decoder": {"385": {"content": "pick", "special": false}}}),
                &["added_tokens_decoder.385", "tokenizer.json"],
            ),
        ],
    );
    assert_each_refused(
        "tokenizer.json",
        &[
            (json!({"model": {"dropout": 0.1}}), &["model.dropout"]),
            (
                json!({"model": {"type": "Novel"}}),
                &["no tokenizer that can be built", "save_pretrained"],
            ),
            (json!({"prompt_template": "x"}), &["prompt_template"]),
        ],
    );
}

#[test]
fn generation_settings_that_choose_other_tokens_are_refused() {
    assert_each_refused(
        "generation_config.json",
        &[
            (json!({"num_beams": 4}), &["num_beams"]),
            (json!({"suppress_tokens": [5]}), &["suppress_tokens"]),
        ],
    );
    let usual = json!({"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 384,
        "do_sample": true, "temperature": 0.6, "transformers_version": "4.40.1"});
    assert_each_alike("generation_config.json", &[usual]);
}

/// openvla-oft #95: a full stop and doubled spaces gave other actions.
#[test]
fn instructions_are_normalised_as_documented() {
    let policy = load(&mini()).unwrap();
    let wanted = score(&policy, INSTRUCTION);
    for instruction in [
        "put the blue cube on the green plate.",
        "Put  the blue cube\ton the green plate ",
        "put the blue cube on the\u{a0}green plate!\n",
        "PUT THE BLUE CUBE ON THE GREEN PLATE . ",
    ] {
        assert_eq!(score(&policy, instruction), wanted, "{instruction:?}");
    }
    let encode = |instruction: &str| policy.tokenizer().encode(instruction);
    assert!(encode(" ... ").unwrap_err().to_string().contains("is empty"));
    let special = encode("put the blue cube </s> on the green plate").unwrap_err().to_string();
    assert!(special.contains("</s>"), "{special}");
}

#[test]
fn weights_that_are_not_there_are_told_from_what_is() {
    for (names, words) in [
        (&[][..], "has no weights"),
        (&["model-00001-of-00002.safetensors"], "shards but not their index"),
        (&["ema.safetensors"], "only ema.safetensors"),
    ] {
        let dir = checkpoint();
        fs::remove_file(dir.path().join("model.safetensors")).unwrap();
        names.iter().for_each(|name| fs::write(dir.path().join(name), b"x").unwrap());
        assert_refused(dir.path(), &[words]);
    }
}

/// transformers #27923 and relatives: each file of a folder that a download left unfinished.
#[test]
fn unfinished_downloads_are_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 499723\n";
    for name in ["config.json", "tokenizer.json", "dataset_statistics.json", "model.safetensors"] {
        let dir = checkpoint();
        let path = dir.path().join(name);
        for (content, words) in [
            (pointer, "git lfs pull"),
            ("", "is empty"),
            ("<!DOCTYPE html><html><body>401</body></html>", "web page"),
        ] {
            fs::write(&path, content).unwrap();
            assert_refused(dir.path(), &[name, words]);
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("../../blobs/4d7a", &path).unwrap();
        assert_refused(dir.path(), &[name, "is a link to ../../blobs/4d7a"]);
    }
    // A cache as the hub's library lays it out, the snapshot made of links.
    let dir = checkpoint();
    let cache = tempfile::tempdir().unwrap();
    let snapshot = cache.path().join("snapshots/47a0ec7fc4ec123775a391911046cf33cf9ed83f");
    fs::create_dir_all(&snapshot).unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        std::os::unix::fs::symlink(&path, snapshot.join(path.file_name().unwrap())).unwrap();
    }
    assert_eq!(score_of(&snapshot), score_of(&mini()));
    assert_refused(cache.path(), &["is a hub cache", "snapshots/47a0"]);
}
