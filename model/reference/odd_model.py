"""A small model with odd dimensions, its inputs and its adapter, drawn from a seed.

Owns the sizes of the fixture that `make_fixture.py` writes and how its numbers are drawn. Must
never compute what is expected of them.
"""

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor

from golden import ACTION_TOKENS, IGNORED, Tensors
from openvla_reference import Json, OpenVlaReference, published_name

PATCH_PIXELS, PATCHES_PER_SIDE = 6, 3
IMAGE_PIXELS = PATCH_PIXELS * PATCHES_PER_SIDE
BASE_VOCABULARY, PADDING_ROWS, ACTION_BINS = 300, 64, 256
FIRST_ACTION = BASE_VOCABULARY - ACTION_BINS
BOS, EOS, FIRST_WORD, SEPARATOR = 1, 2, 3, 29
PROMPT_TOKENS, BATCH_PROMPT_TOKENS = 12, (8, 5)
LORA_RANK, LORA_ALPHA = 3, 1.5


def odd_config() -> Json:
    """config.json of the new fixture: few sizes agree with each other or with the published
    ones, key-value heads are shared, both epsilon and rotary base are not the defaults.

    The towers are written twice: as timm's arguments, which the reference reads, and under the
    keys of the Rust code.
    """
    dino_depth, siglip_depth = 4, 3
    statistics = {
        "q01": [-0.75, -0.5, -0.9, -0.1, -0.2, -0.3, 0.0],
        "q99": [0.9, 0.8, 0.7, 0.15, 0.25, 0.35, 1.0],
        "mask": [True] * 6 + [False],
    }
    return {
        "vision_backbone_id": "dinosiglip-vit-so-224px",
        "llm_backbone_id": "llama2-7b-pure",
        "arch_specifier": "no-align+fused-gelu-mlp",
        "use_fused_vision_backbone": True,
        "timm_model_ids": [
            "vit_large_patch14_reg4_dinov2.lvd142m",
            "vit_so400m_patch14_siglip_224",
        ],
        "timm_override_act_layers": [None, None],
        "image_sizes": [IMAGE_PIXELS, IMAGE_PIXELS],
        "image_resize_strategy": "resize-naive",
        "hf_llm_id": "meta-llama/Llama-2-7b-hf",
        "llm_max_length": 2048,
        "pad_token_id": BASE_VOCABULARY,
        "pad_to_multiple_of": PADDING_ROWS,
        "n_action_bins": ACTION_BINS,
        "norm_stats": {
            "fixture_odd": {
                "action": statistics,
                "num_trajectories": 10,
                "num_transitions": 1000,
                "proprio": {},
            }
        },
        "text_config": {
            "vocab_size": BASE_VOCABULARY + PADDING_ROWS,
            "hidden_size": 48,
            "intermediate_size": 100,
            "num_hidden_layers": 3,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-5,
            "rope_theta": 50000.0,
            "rope_scaling": None,
            "max_position_embeddings": 2048,
            "hidden_act": "silu",
            "pad_token_id": BASE_VOCABULARY,
            "bos_token_id": BOS,
            "eos_token_id": EOS,
            "tie_word_embeddings": False,
            "attention_bias": False,
            "model_type": "llama",
            "use_cache": True,
        },
        "model_type": "openvla",
        "output_projector_states": False,
        "architectures": ["OpenVLAForActionPrediction"],
        "torch_dtype": "bfloat16",
        "fixture_vision": {
            "featurizer": {
                "patch_size": PATCH_PIXELS,
                "init_values": 1e-5,
                "reg_tokens": 2,
                "no_embed_class": True,
                "embed_dim": 24,
                "depth": dino_depth,
                "num_heads": 3,
                "img_size": IMAGE_PIXELS,
                "mlp_ratio": 4.0,
            },
            "fused_featurizer": {
                "patch_size": PATCH_PIXELS,
                "class_token": False,
                "global_pool": "map",
                "embed_dim": 36,
                "depth": siglip_depth,
                "num_heads": 4,
                "mlp_ratio": 2.5,
                "img_size": IMAGE_PIXELS,
            },
            "layer_norm_eps": 1e-6,
            "qkv_bias": True,
            "act": "gelu_erf",
            "take_block_index": [dino_depth - 2, siglip_depth - 2],
        },
        "fixture_separator_token_id": SEPARATOR,
    }


def draw_parameter(name: str, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """A parameter's value, so that activations keep a scale of about one and no two elements
    may be exchanged unnoticed: norms, scales and biases are random too.
    """
    noise = torch.randn(shape, generator=generator)
    if name.endswith("scale_factor"):
        return 0.5 + 0.25 * noise
    if "norm" in name and name.endswith("weight"):
        return 1.0 + 0.1 * noise
    if name.endswith("bias"):
        return 0.05 * noise
    if name.endswith(("cls_token", "reg_token", "pos_embed", "latent")):
        return 0.3 * noise
    if name.endswith("embed_tokens.weight"):
        return 0.7 * noise
    fan_in = shape[1:].numel()
    value = 1.2 / fan_in**0.5 * noise
    if name.endswith("lm_head.weight"):
        # Action tokens must win, and clearly.
        value[FIRST_ACTION:BASE_VOCABULARY] *= 2.5
    return value


def draw_model(config: Json, generator: torch.Generator) -> OpenVlaReference:
    """A model whose weights are exact in bfloat16, as which they are stored."""
    model = OpenVlaReference(config).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            drawn = draw_parameter(published_name(name), value.shape, generator)
            value.copy_(drawn.bfloat16())
    return model


def draw_inputs(generator: torch.Generator) -> Tensors:
    """One picture and prompt; a right-padded batch of a stream of two units without EOS, and of
    one unit with EOS.
    """

    def words(count: int) -> list[int]:
        drawn = torch.randint(FIRST_WORD, FIRST_ACTION, (count - 1,), generator=generator)
        return [BOS, *drawn.tolist()]

    def actions() -> list[int]:
        low, high = FIRST_ACTION, BASE_VOCABULARY
        return torch.randint(low, high, (ACTION_TOKENS,), generator=generator).tolist()

    prompts = [words(count) for count in BATCH_PROMPT_TOKENS]
    answers = [[*actions(), SEPARATOR, *actions(), SEPARATOR], [*actions(), EOS]]
    length = max(len(prompt + answer) for prompt, answer in zip(prompts, answers, strict=True))
    ids = torch.full((2, length), BASE_VOCABULARY)
    labels = torch.full((2, length), IGNORED)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor(prompt + answer)
        labels[row, len(prompt) : end] = torch.tensor(answer)
    picture = (2 * 3, IMAGE_PIXELS, IMAGE_PIXELS)
    return {
        "pixel_values": torch.randn(1, *picture, generator=generator),
        "input_ids": torch.tensor([words(PROMPT_TOKENS)]),
        "batch_pixel_values": torch.randn(2, *picture, generator=generator),
        "batch_input_ids": ids,
        "batch_attention_mask": (ids != BASE_VOCABULARY).long(),
        "batch_labels": labels,
    }


def draw_adapter(model: OpenVlaReference, generator: torch.Generator) -> PeftModel:
    """`model` with a LoRA adapter on all linear layers that changes what it says.

    peft starts B at zero, which would hide every error, so both factors are drawn.
    """
    config = LoraConfig(
        r=LORA_RANK,
        lora_alpha=LORA_ALPHA,
        lora_dropout=0.0,
        target_modules="all-linear",
        init_lora_weights="gaussian",
    )
    adapted = get_peft_model(model, config)
    with torch.no_grad():
        for name, value in adapted.named_parameters():
            if ".lora_" in name:
                deviation = 1 / LORA_RANK if ".lora_A." in name else 0.15
                value.copy_(deviation * torch.randn(value.shape, generator=generator))
    return adapted
