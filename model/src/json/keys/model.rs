//! The keys of config.json and generation_config.json: what the model is, and how it is asked.

use super::KeyList;
use super::Rule::{NoEffect, Only, Refused, Used};

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
pub(super) const PRETRAINED: KeyList = KeyList {
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
            Only(&["default", "linear"], "stretches positions, which is not computed here"),
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
