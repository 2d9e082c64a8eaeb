//! Which keys of which file change what a policy answers: the one list per kind of file that
//! docs/files.md shows.
//!
//! Owns the decision to read, to ignore or to refuse. A key in no list is refused by name: to
//! ignore it would be a guess. Must never read a value: what is done with one stands where it is
//! used.

/// What becomes of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// It is read, and checked where it is read.
    Used,
    /// It changes nothing that a policy answers.
    NoEffect,
    /// It would change the answer if it had another value than these; and why.
    Only(&'static [&'static str], &'static str),
    /// It would change the answer unless it is false or empty; and what to do about it.
    Refused(&'static str),
}

use Rule::{NoEffect, Only, Refused, Used};

/// The keys of one kind of object in one kind of file.
#[derive(Debug)]
pub(crate) struct KeyList {
    /// Where such objects are.
    pub place: &'static str,
    rules: &'static [(Rule, &'static [&'static str])],
    /// Lists whose keys may stand here too.
    others: &'static [&'static KeyList],
}

impl KeyList {
    /// The rule for `key`; none for one that is not known.
    pub fn rule(&self, key: &str) -> Option<&'static Rule> {
        let own = self.rules.iter().find(|(_, keys)| keys.contains(&key)).map(|(rule, _)| rule);
        own.or_else(|| self.others.iter().find_map(|list| list.rule(key)))
    }
}

/// Every list.
#[cfg(test)]
const ALL: [&KeyList; 13] = [
    &CONFIG,
    &TEXT_CONFIG,
    &ROPE,
    &VISION,
    &ACTION_STREAM,
    &GENERATION,
    &PROCESSOR,
    &JOINT_PROCESSOR,
    &TOKENIZER,
    &TOKENIZER_CONFIG,
    &ADAPTER,
    &STATISTICS,
    &ACTION_STATISTICS,
];

const QUANTISED: &str = "the weights are quantised, which is not computed here: save them as bf16 \
                         (load the unquantised checkpoint, then save_pretrained)";
const CONTINUOUS: &str = "the actions come from a continuous head, and this program decodes \
                          tokens: use a checkpoint that was trained to emit action tokens";
const NATIVE: &str = "is the configuration of a native (Prismatic) run: convert the run with \
                      OpenVLA's vla-scripts/extern/convert_openvla_weights_to_hf.py";
const GREEDY: &str = "would change which tokens are chosen; how tokens are chosen is this \
                      program's setting";

/// config.json.
pub(crate) const CONFIG: KeyList = KeyList {
    place: "config.json",
    rules: &[
        (
            Used,
            &[
                "action_stream",
                "arch_specifier",
                "architectures",
                "fixture_separator_token_id",
                "fixture_vision",
                "hf_llm_id",
                "image_resize_strategy",
                "image_sizes",
                "n_action_bins",
                "norm_stats",
                "pad_to_multiple_of",
                "text_config",
                "timm_model_ids",
                "timm_override_act_layers",
                "use_fused_vision_backbone",
                "vision",
            ],
        ),
        (Only(&["openvla"], "another kind of model"), &["model_type"]),
        (
            Only(
                &["llama2-7b-pure", "llama2-13b-pure"],
                "another language model, or one that is asked with another prompt",
            ),
            &["llm_backbone_id"],
        ),
        (Only(&["dinosiglip-vit-so-224px"], "other vision towers"), &["vision_backbone_id"]),
        (
            NoEffect,
            &[
                "diffusion_steps",
                // What DeepSpeed asks for at the top; `text_config` is what is built.
                "hidden_size",
                "llm_max_length",
                "num_attention_heads",
                "num_diffusion_steps",
                "num_hidden_layers",
                "output_projector_states",
                "pad_token_id",
                "tie_word_embeddings",
                "vocab_size",
            ],
        ),
        (Refused(QUANTISED), &["compression_config", "quantization", "quantization_config"]),
        (
            Refused(CONTINUOUS),
            &[
                "action_head",
                "action_head_type",
                "use_action_head",
                "use_diffusion",
                "use_film",
                "use_l1_regression",
                "use_proprio",
            ],
        ),
        (
            Refused(NATIVE),
            &[
                "data_root_dir",
                "dataset",
                "hf_token",
                "image_aug",
                "is_resume",
                "model",
                "pretrained_checkpoint",
                "resume_epoch",
                "resume_step",
                "run_id",
                "run_id_note",
                "run_root_dir",
                "save_interval",
                "stage",
                "trackers",
                "vla",
                "wandb_entity",
                "wandb_project",
            ],
        ),
        (Only(&["1"], "several pictures at once are not looked at here"), &["num_images_in_input"]),
        (Only(&["7"], "an action has seven numbers here"), &["action_dim"]),
    ],
    others: &[&GENERATION, &PRETRAINED],
};

/// What every configuration of transformers may carry.
const PRETRAINED: KeyList = KeyList {
    place: "any configuration of transformers",
    rules: &[(
        NoEffect,
        &[
            "add_cross_attention",
            "architectures",
            "attn_implementation",
            "auto_map",
            "bos_token_id",
            "chunk_size_feed_forward",
            "cross_attention_hidden_size",
            "decoder_start_token_id",
            "dtype",
            "eos_token_id",
            "finetuning_task",
            "gradient_checkpointing",
            "id2label",
            "is_decoder",
            "is_encoder_decoder",
            "label2id",
            "model_name",
            "name_or_path",
            "output_attentions",
            "output_hidden_states",
            "pad_token_id",
            "prefix",
            "problem_type",
            "pruned_heads",
            "return_dict",
            "sep_token_id",
            "task_specific_params",
            "tf_legacy_loss",
            "tie_encoder_decoder",
            "tokenizer_class",
            "torch_dtype",
            "torchscript",
            "transformers_version",
            "unsloth_fixed",
            "unsloth_version",
            "use_bfloat16",
            "use_cache",
        ],
    )],
    others: &[],
};

/// generation_config.json, and the same keys where older versions keep them in config.json.
pub(crate) const GENERATION: KeyList = KeyList {
    place: "generation_config.json",
    rules: &[
        // The reference asks with do_sample = False and a number of new tokens of its own.
        (
            NoEffect,
            &[
                "assistant_confidence_threshold",
                "assistant_early_exit",
                "assistant_lookbehind",
                "bos_token_id",
                "cache_config",
                "cache_implementation",
                "compile_config",
                "disable_compile",
                "do_sample",
                "early_stopping",
                "epsilon_cutoff",
                "eta_cutoff",
                "generation_kwargs",
                "is_assistant",
                "low_memory",
                "max_matching_ngram_size",
                "num_assistant_tokens",
                "num_assistant_tokens_schedule",
                "output_logits",
                "prefill_chunk_size",
                "prompt_lookup_num_tokens",
                "return_legacy_cache",
                "target_lookbehind",
                "top_h",
                "use_model_defaults",
                "eos_token_id",
                "length_penalty",
                "max_length",
                "max_new_tokens",
                "min_p",
                "num_return_sequences",
                "output_attentions",
                "output_hidden_states",
                "output_scores",
                "pad_token_id",
                "remove_invalid_values",
                "renormalize_logits",
                "return_dict_in_generate",
                "temperature",
                "top_k",
                "top_p",
                "transformers_version",
                "typical_p",
                "use_cache",
            ],
        ),
        (
            Only(&["1"], GREEDY),
            &[
                "encoder_repetition_penalty",
                "guidance_scale",
                "num_beam_groups",
                "num_beams",
                "repetition_penalty",
            ],
        ),
        (
            Only(&["0"], GREEDY),
            &[
                "diversity_penalty",
                "encoder_no_repeat_ngram_size",
                "min_length",
                "min_new_tokens",
                "no_repeat_ngram_size",
            ],
        ),
        (
            Refused(GREEDY),
            &[
                "bad_words_ids",
                "begin_suppress_tokens",
                "constraints",
                "dola_layers",
                "exponential_decay_length_penalty",
                "force_words_ids",
                "forced_bos_token_id",
                "forced_eos_token_id",
                "max_time",
                "penalty_alpha",
                "sequence_bias",
                "stop_strings",
                "suppress_tokens",
                "token_healing",
                "watermarking_config",
            ],
        ),
    ],
    others: &[],
};

/// `text_config`: Llama's.
pub(crate) const TEXT_CONFIG: KeyList = KeyList {
    place: "text_config in config.json",
    rules: &[
        (
            Used,
            &[
                "architectures",
                "bos_token_id",
                "head_dim",
                "hidden_size",
                "intermediate_size",
                "max_position_embeddings",
                "num_attention_heads",
                "num_hidden_layers",
                "num_key_value_heads",
                "rms_norm_eps",
                "rope_parameters",
                "rope_scaling",
                "rope_theta",
                "vocab_size",
            ],
        ),
        (Only(&["llama"], "another language model"), &["model_type"]),
        (Only(&["silu", "swish"], "another activation"), &["hidden_act"]),
        (Only(&["1"], "rotates only a part of each head"), &["partial_rotary_factor"]),
        (NoEffect, &["attention_dropout", "initializer_range", "pretraining_tp"]),
        (Refused("linear maps with biases are not computed here"), &["attention_bias", "mlp_bias"]),
        (Refused("the head is a matrix of its own here"), &["tie_word_embeddings"]),
        (
            Refused("every layer attends to all positions here"),
            &["attention_chunk_size", "sliding_window", "use_sliding_window"],
        ),
        (Refused(QUANTISED), &["quantization", "quantization_config"]),
    ],
    others: &[&GENERATION, &PRETRAINED],
};

/// `rope_parameters` and `rope_scaling`.
pub(crate) const ROPE: KeyList = KeyList {
    place: "text_config.rope_parameters and text_config.rope_scaling",
    rules: &[
        (Used, &["rope_theta"]),
        (
            Only(&["default"], "stretches positions, which is not computed here"),
            &["rope_type", "type"],
        ),
        (Only(&["1"], "stretches positions, which is not computed here"), &["factor"]),
        (Only(&["1"], "rotates only a part of each head"), &["partial_rotary_factor"]),
    ],
    others: &[],
};

/// A tower under `vision`.
pub(crate) const VISION: KeyList = KeyList {
    place: "the towers under vision in config.json",
    rules: &[
        (
            Used,
            &[
                "class_token",
                "depth",
                "embed_dim",
                "init_values",
                "layer_scale",
                "layer_scale_init",
                "mlp_hidden",
                "mlp_ratio",
                "no_embed_class",
                "num_heads",
                "patch_size",
                "reg_tokens",
            ],
        ),
        (NoEffect, &["global_pool", "img_size"]),
    ],
    others: &[],
};

/// `action_stream`: this project's own.
pub(crate) const ACTION_STREAM: KeyList = KeyList {
    place: "action_stream in config.json",
    rules: &[(Used, &["horizon", "prompt_suffix_token_id", "separator_token_id"])],
    others: &[],
};

/// preprocessor_config.json.
pub(crate) const PROCESSOR: KeyList = KeyList {
    place: "preprocessor_config.json",
    rules: &[
        (
            Used,
            &[
                "image_resize_strategy",
                "input_sizes",
                "interpolations",
                "means",
                "stds",
                "tvf_crop_params",
                "tvf_do_letterbox",
                "tvf_letterbox_fill",
                "tvf_normalize_params",
                "tvf_resize_params",
                "use_fused_vision_backbone",
            ],
        ),
        (
            Only(&["PrismaticImageProcessor"], "another image processor"),
            &["feature_extractor_type", "image_processor_type"],
        ),
        // OpenVLA's processor keeps these without looking at them.
        (
            NoEffect,
            &[
                "auto_map",
                "crop_size",
                "data_format",
                "device",
                "disable_grouping",
                "do_center_crop",
                "do_convert_rgb",
                "do_normalize",
                "do_rescale",
                "do_resize",
                "image_mean",
                "image_std",
                "processor_class",
                "resample",
                "rescale_factor",
                "return_tensors",
                "size",
            ],
        ),
    ],
    others: &[],
};

/// processor_config.json.
pub(crate) const JOINT_PROCESSOR: KeyList = KeyList {
    place: "processor_config.json",
    rules: &[
        (Used, &["image_processor"]),
        (NoEffect, &["auto_map", "chat_template", "processor_class", "tokenizer"]),
    ],
    others: &[],
};

/// tokenizer.json.
pub(crate) const TOKENIZER: KeyList = KeyList {
    place: "tokenizer.json",
    rules: &[
        (
            Used,
            &["added_tokens", "model", "normalizer", "post_processor", "pre_tokenizer", "version"],
        ),
        // transformers sets both at each call; a prompt is neither padded nor cut.
        (NoEffect, &["decoder", "padding", "truncation"]),
    ],
    others: &[],
};

/// tokenizer_config.json: what transformers does to the tokenizer beside tokenizer.json.
pub(crate) const TOKENIZER_CONFIG: KeyList = KeyList {
    place: "tokenizer_config.json",
    rules: &[
        (Only(&["true"], "prompts begin with the BOS token here"), &["add_bos_token"]),
        (
            Only(&["true"], "the first word is tokenized with a space before it here"),
            &["add_prefix_space"],
        ),
        (Refused("prompts have no EOS token here"), &["add_eos_token"]),
        (
            Refused("is not done here"),
            &["do_lower_case", "fix_mistral_regex", "split_special_tokens"],
        ),
        (Used, &["added_tokens_decoder"]),
        (
            Refused("adds tokens to those of tokenizer.json; have transformers write both again"),
            &["extra_special_tokens", "model_specific_special_tokens"],
        ),
        (
            NoEffect,
            &[
                "additional_special_tokens",
                "auto_map",
                "backend",
                "bos_token",
                "chat_template",
                "clean_up_tokenization_spaces",
                "cls_token",
                "eos_token",
                "is_local",
                "legacy",
                "mask_token",
                "max_length",
                "model_max_length",
                "name_or_path",
                "pad_to_multiple_of",
                "pad_token",
                "pad_token_type_id",
                "padding_side",
                "processor_class",
                "sep_token",
                "errors",
                "local_files_only",
                "max_len",
                "model_input_names",
                "return_token_type_ids",
                "sp_model_kwargs",
                "special_tokens_map_file",
                "spaces_between_special_tokens",
                "stride",
                "tokenizer_class",
                "tokenizer_file",
                "truncation_side",
                "truncation_strategy",
                "trust_remote_code",
                "unk_token",
                "use_default_system_prompt",
                "use_fast",
            ],
        ),
    ],
    others: &[],
};

/// adapter_config.json.
pub(crate) const ADAPTER: KeyList = KeyList {
    place: "adapter_config.json",
    rules: &[
        (
            Used,
            &[
                "alpha_pattern",
                "exclude_modules",
                "layers_pattern",
                "layers_to_transform",
                "lora_alpha",
                "lora_dropout",
                "peft_type",
                "r",
                "rank_pattern",
                "target_modules",
                "use_rslora",
            ],
        ),
        (
            Only(
                &["true", "false", "gaussian", "eva", "orthogonal"],
                "the pairs belong to a base whose weights were changed when training began; if PEFT \
                 can convert the adapter (PiSSA, OLoRA, CorDA: save_pretrained(.., \
                 path_initial_model_for_weight_conversion=..)), use that",
            ),
            &["init_lora_weights"],
        ),
        (Only(&["none"], "trained biases are not applied here"), &["bias"]),
        (
            NoEffect,
            &[
                "auto_mapping",
                "base_model_name_or_path",
                "corda_config",
                "ensure_weight_tying",
                "eva_config",
                // PEFT itself resets it for linear maps, with a warning.
                "fan_in_fan_out",
                "inference_mode",
                "loftq_config",
                "lora_ga_config",
                "megatron_core",
                "peft_version",
                "qalora_group_size",
                "revision",
                "runtime_config",
                "task_type",
            ],
        ),
        (
            Refused("magnitudes (DoRA) are not applied here; merge the adapter with PEFT"),
            &["use_dora"],
        ),
        (
            Refused("not applied here; merge the adapter with PEFT (merge_and_unload)"),
            &[
                "alora_invocation_tokens",
                "arrow_config",
                "layer_replication",
                "lora_bias",
                "megatron_config",
                "modules_to_save",
                "target_parameters",
                "trainable_token_indices",
                "use_bdlora",
                "use_qalora",
            ],
        ),
    ],
    others: &[],
};

/// An entry of dataset_statistics.json or of `norm_stats` in config.json.
pub(crate) const STATISTICS: KeyList = KeyList {
    place: "an entry of dataset_statistics.json",
    rules: &[
        (Used, &["action"]),
        (
            NoEffect,
            &[
                "num_episodes",
                "num_frames",
                "num_steps",
                "num_trajectories",
                "num_transitions",
                "observation",
                "proprio",
                "state",
                "version",
            ],
        ),
    ],
    others: &[],
};

/// `action` of such an entry.
pub(crate) const ACTION_STATISTICS: KeyList = KeyList {
    place: "action in an entry of dataset_statistics.json",
    rules: &[
        (Used, &["mask", "q01", "q99"]),
        (
            Only(
                &["bounds_q99", "q99", "quantile", "quantiles"],
                "actions are normalised by their 1 % and 99 % quantiles here",
            ),
            &["norm_type", "normalization", "normalization_type"],
        ),
        (NoEffect, &["count", "max", "mean", "min", "names", "q10", "q50", "q90", "std"]),
    ],
    others: &[],
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const DOCUMENT: &str = include_str!("../../../docs/files.md");

    #[test]
    fn no_key_has_two_rules() {
        for list in ALL {
            let mut seen = BTreeSet::new();
            for key in list.rules.iter().flat_map(|(_, keys)| *keys) {
                assert!(seen.insert(key), "{key} of {} has two rules", list.place);
            }
        }
    }

    #[test]
    fn the_document_names_every_key() {
        for list in ALL.into_iter().chain([&PRETRAINED]) {
            let (_, section) = DOCUMENT
                .split_once(&format!("### {}\n", list.place))
                .unwrap_or_else(|| panic!("docs/files.md has no section on {}", list.place));
            let section = section.split("\n#").next().unwrap_or_default();
            for key in list.rules.iter().flat_map(|(_, keys)| *keys) {
                assert!(section.contains(&format!("`{key}`")), "{key} of {}", list.place);
            }
        }
    }
}
