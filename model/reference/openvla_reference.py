"""OpenVLA in eager PyTorch, put together from public libraries.

Owns the composition: timm vision transformers as towers, a projector, `transformers`'
Llama, and the multimodal sequence between them. Each part is somebody else's code, so that an
error of the Rust code is unlikely to be repeated here. Must never choose or score tokens.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

Json = dict[str, Any]
TOWERS = ("featurizer", "fused_featurizer")
CHANNELS_PER_TOWER = 3


class VisionBackbone(nn.Module):
    """The DINOv2-like and the SigLIP-like tower, side by side."""

    def __init__(self, sizes: dict[str, Json]) -> None:
        """`sizes` holds the arguments of timm's `VisionTransformer` for each tower."""
        super().__init__()
        self.featurizer = VisionTransformer(num_classes=0, **sizes["featurizer"])
        self.fused_featurizer = VisionTransformer(num_classes=0, **sizes["fused_featurizer"])
        self.taken = [len(getattr(self, tower).blocks) - 2 for tower in TOWERS]

    def patches(self, pixel_values: Tensor) -> list[Tensor]:
        """Second-to-last block's patches [B, P, width] of each tower.

        Every tower sees the picture under its own normalisation: three channels each.
        """
        pictures = pixel_values.split(CHANNELS_PER_TOWER, dim=1)
        return [
            getattr(self, tower).get_intermediate_layers(picture, n=[block])[0]
            for tower, picture, block in zip(TOWERS, pictures, self.taken, strict=True)
        ]

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Features [B, P, sum of widths] of `pixel_values` [B, 6, S, S]."""
        return torch.cat(self.patches(pixel_values), dim=-1)

    def drop_unused_blocks(self) -> None:
        """Removes the blocks behind the taken one, which cost time and change nothing."""
        for tower, block in zip(TOWERS, self.taken, strict=True):
            module = getattr(self, tower)
            module.blocks = module.blocks[: block + 1]


class Projector(nn.Module):
    """From vision features to the language model's embeddings."""

    def __init__(self, vision_width: int, hidden_size: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(vision_width, 4 * vision_width)
        self.fc2 = nn.Linear(4 * vision_width, hidden_size)
        self.fc3 = nn.Linear(hidden_size, hidden_size)
        self.act = nn.GELU()

    def forward(self, features: Tensor) -> Tensor:
        """Embeddings [B, P, hidden] of features [B, P, vision width]."""
        return self.fc3(self.act(self.fc2(self.act(self.fc1(features)))))


class OpenVlaReference(PreTrainedModel):
    """The whole model; module paths are those of the published checkpoint.

    A `PreTrainedModel`, because peft resolves "all-linear" for nothing else.
    """

    config_class = PretrainedConfig

    def __init__(self, config: Json, attention: str = "eager") -> None:
        """`attention` names the implementation that transformers uses in the Llama."""
        super().__init__(PretrainedConfig())
        sizes = tower_sizes(config)
        self.vision_backbone = VisionBackbone(sizes)
        width = sum(sizes[tower]["embed_dim"] for tower in TOWERS)
        text = LlamaConfig(**config["text_config"], attn_implementation=attention)
        self.projector = Projector(width, text.hidden_size)
        self.language_model = LlamaForCausalLM(text)

    def get_input_embeddings(self) -> nn.Module:
        """Asked for by peft, which saves embeddings that it adapts."""
        return self.language_model.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        """Asked for by peft, like the input embeddings."""
        return self.language_model.get_output_embeddings()

    def vision_features(self, pixel_values: Tensor) -> Tensor:
        """Projected patches [B, P, hidden] of `pixel_values` [B, 6, S, S]."""
        return self.projector(self.vision_backbone(pixel_values))

    def embed(self, features: Tensor, input_ids: Tensor) -> Tensor:
        """The sequence [B, P + T, hidden]: BOS, the patches, the rest of `input_ids` [B, T]."""
        text = self.get_input_embeddings()(input_ids)
        return torch.cat([text[:, :1], features, text[:, 1:]], dim=1)

    def forward(
        self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor | None = None
    ) -> CausalLMOutputWithPast:
        """Logits and hidden states of whole sequences; `attention_mask` [B, T] is the text's."""
        features = self.vision_features(pixel_values)
        if attention_mask is not None:
            seen = attention_mask.new_ones(features.shape[:2])
            attention_mask = torch.cat([attention_mask[:, :1], seen, attention_mask[:, 1:]], dim=1)
        return self.language_model(
            inputs_embeds=self.embed(features, input_ids),
            attention_mask=attention_mask,
            output_hidden_states=True,
            use_cache=False,
        )


def tower_sizes(config: Json) -> dict[str, Json]:
    """timm's arguments for both towers, from either way of writing them in config.json."""
    if "fixture_vision" in config:
        return {tower: config["fixture_vision"][tower] for tower in TOWERS}
    image_size = config["image_sizes"][0]
    return {tower: timm_arguments(config["vision"][tower], image_size) for tower in TOWERS}


def timm_arguments(sizes: Json, image_size: int) -> Json:
    """timm's arguments for a tower written under the key `vision`."""
    has_class_token = sizes["class_token"]
    return {
        "img_size": image_size,
        "patch_size": sizes["patch_size"],
        "embed_dim": sizes["embed_dim"],
        "depth": sizes["depth"],
        "num_heads": sizes["num_heads"],
        # timm rounds width * ratio down; the half keeps the product clear of the next number.
        "mlp_ratio": (sizes["mlp_hidden"] + 0.5) / sizes["embed_dim"],
        "class_token": has_class_token,
        "reg_tokens": sizes["reg_tokens"],
        "no_embed_class": True,
        "global_pool": "token" if has_class_token else "map",
        # LayerScale exists where it has a first value; loading overwrites it.
        "init_values": 1.0 if sizes["layer_scale"] else None,
    }


def published_name(name: str) -> str:
    """The published checkpoint's name of a parameter: its LayerScale is not timm's `gamma`."""
    for scale in ("ls1", "ls2"):
        name = name.replace(f".{scale}.gamma", f".{scale}.scale_factor")
    return name


def is_unused(name: str, model: OpenVlaReference) -> bool:
    """Whether the forward pass never looks at the parameter with this published name."""
    for tower, block in zip(TOWERS, model.vision_backbone.taken, strict=True):
        prefix = f"vision_backbone.{tower}."
        unused = ("norm.", "attn_pool.", f"blocks.{block + 1}.")
        if name.startswith(tuple(prefix + part for part in unused)):
            return True
    return False


def read_config(directory: Path) -> Json:
    """config.json of a checkpoint."""
    return json.loads((directory / "config.json").read_text())


def load_model(directory: Path, attention: str = "eager") -> OpenVlaReference:
    """The checkpoint in `directory`, in float32.

    Unused parameters may be absent, as a checkpoint does not need them; all others must be
    there, and nothing else.
    """
    model = OpenVlaReference(read_config(directory), attention)
    stored = load_file(directory / "model.safetensors")
    parameters = {published_name(name): value for name, value in model.named_parameters()}
    missing = [name for name in parameters.keys() - stored.keys() if not is_unused(name, model)]
    unknown = stored.keys() - parameters.keys()
    if missing or unknown:
        raise ValueError(f"missing tensors {sorted(missing)}, unknown tensors {sorted(unknown)}")
    with torch.no_grad():
        for name, value in stored.items():
            if parameters[name].shape != value.shape:
                raise ValueError(f"{name}: {value.shape}, expected {parameters[name].shape}")
            parameters[name].copy_(value)
    return model.eval()
