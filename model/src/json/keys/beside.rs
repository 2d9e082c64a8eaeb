//! The keys of what stands beside the model: image processor, tokenizer, adapter, statistics.

use super::KeyList;
use super::Rule::{NoEffect, Only, Refused, Used};

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
