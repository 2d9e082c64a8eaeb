//! What the example `forward` computes under the published vocabulary: actions in every dataset's
//! units, the last rows of logits alone, and the token that is appended to prompts.

use crate::outputs::{Outputs, compute};
use crate::support::{mini, tiny_config, tiny_inputs};
use jaco_core::ActionCodec;
use jaco_model::{
    ActionVocab, Checkpoint, ImageProcessor, OpenVla, OpenVlaConfig, PromptTokenizer,
};
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

/// The lone space that OpenVLA appends to prompts.
const SUFFIX: i64 = 29871;

/// The tiny model under the published vocabulary, with a head that prefers actions.
struct FullVocabulary {
    scratch: TempDir,
    config: OpenVlaConfig,
}

impl FullVocabulary {
    fn new() -> Self {
        let mut config = tiny_config();
        config.text_config.vocab_size = 32064;
        config.action_stream.separator_token_id = 29936;
        config.action_stream.prompt_suffix_token_id = Some(SUFFIX);
        let (variables, _) = OpenVla::init(&config, 11, Device::Cpu).unwrap();
        let vocab = ActionVocab::new(&config);
        tch::no_grad(|| {
            let head = &variables.variables()["language_model.lm_head.weight"];
            let _louder = head.narrow(0, vocab.first(), 256).g_mul_scalar_(30.0);
        });
        let tokenizer = PromptTokenizer::read(&mini().join("tokenizer.json"), &config).unwrap();
        let images = ImageProcessor::new(56, config.image_resize_strategy);
        let scratch = tempfile::tempdir().unwrap();
        Checkpoint::new(&config, &variables, &tokenizer, &images, &config.norm_stats)
            .save(&scratch.path().join("checkpoint"))
            .unwrap();
        Self { scratch, config }
    }

    /// The tiny fixture's inputs with this prompt.
    fn inputs(&self, prompt: &[i64]) -> PathBuf {
        let path = self.scratch.path().join("inputs.safetensors");
        let inputs = tiny_inputs();
        let prompt = Tensor::from_slice(prompt).unsqueeze(0);
        let tensors: Vec<(&str, &Tensor)> = inputs
            .iter()
            .map(|(name, tensor)| (name, if name == "input_ids" { &prompt } else { tensor }))
            .collect();
        Tensor::write_safetensors(&tensors, path.as_path()).unwrap();
        path
    }

    fn compute(&self, prompt: &[i64]) -> Outputs {
        compute(&self.scratch.path().join("checkpoint"), &self.inputs(prompt), None).unwrap()
    }
}

fn tokens(outputs: &Outputs, name: &str) -> Vec<i64> {
    Vec::try_from(outputs[name].flatten(0, -1)).unwrap()
}

#[test]
fn the_published_vocabulary_gives_actions_and_few_rows_of_logits() {
    let model = FullVocabulary::new();
    let outputs = model.compute(&[1, 512, 29901, 1724, 3158]);
    assert_eq!(outputs["logits"].size(), [1, 3, 32064]);
    assert!(!outputs.contains_key("batch_logits"));
    for name in ["batch_loss", "batch_token_logprobs", "batch_stream_unit_logprobs"] {
        assert!(outputs.contains_key(name), "{name}");
    }

    let greedy: [i64; 7] = tokens(&outputs, "greedy_7").try_into().unwrap();
    assert_eq!(greedy, tokens(&outputs, "greedy_16")[..7]);
    assert!(greedy.iter().any(|token| *token != greedy[0]), "one token tells little: {greedy:?}");
    let unit = ActionVocab::new(&model.config).unit(&greedy).unwrap();
    let statistics = &model.config.norm_stats;
    for key in ["fixture_a", "fixture_nomask"] {
        let codec = ActionCodec::new(statistics.choose(Some(key)).unwrap()).unwrap();
        let action = &outputs[&format!("predict_action.{key}")];
        assert_eq!((action.kind(), action.size()), (Kind::Double, vec![7]));
        let action = Vec::<f64>::try_from(action).unwrap();
        assert_eq!(action, codec.decode(&unit).to_array(), "{key}");
    }
    let actions = outputs.keys().filter(|name| name.starts_with("predict_action.")).count();
    assert_eq!(actions, 2);
}

#[test]
fn prompts_are_decoded_with_the_token_that_is_appended_and_get_it_once() {
    let model = FullVocabulary::new();
    let bare = [1, 512, 29901, 1724, 3158];
    let suffixed = [&bare[..], &[SUFFIX]].concat();
    let (without, with) = (model.compute(&bare), model.compute(&suffixed));
    for (name, wanted) in with.iter().filter(|(name, _)| {
        name.starts_with("greedy_")
            || name.starts_with("beam")
            || name.starts_with("predict_action")
    }) {
        assert!(without[name].allclose(wanted, 0.0, 1e-5, false), "{name}");
        if wanted.kind() == Kind::Int64 {
            assert_eq!(without[name], *wanted, "{name}");
        }
    }
    // Logits are those of the prompts as they were given: only the second ends where the answer
    // begins.
    let best = |outputs: &Outputs| outputs["logits"].argmax(2, false).int64_value(&[0, 2]);
    assert_eq!(best(&with), tokens(&with, "greedy_7")[0]);
    let shared = with["logits"].narrow(1, 0, 2) - without["logits"].narrow(1, 1, 2);
    assert!(shared.abs().max().double_value(&[]) < 1e-4, "the suffix changes nothing before it");
}

#[test]
fn a_dataset_whose_statistics_decode_nothing_has_no_action() {
    let mut model = FullVocabulary::new();
    let path = model.scratch.path().join("checkpoint/config.json");
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let action = &mut config["norm_stats"]["fixture_a"]["action"];
    action["q01"][3] = serde_json::json!(9.0);
    std::fs::write(&path, config.to_string()).unwrap();
    model.config = OpenVlaConfig::read(&path).unwrap();
    let outputs = model.compute(&[1, 512, SUFFIX]);
    assert!(!outputs.contains_key("predict_action.fixture_a"));
    assert!(outputs.contains_key("predict_action.fixture_nomask"));
}
