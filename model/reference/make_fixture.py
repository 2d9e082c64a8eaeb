"""Checks this reference against a fixture, or makes a new fixture with it.

`--check DIR` recomputes every expected tensor of the fixture DIR: on a fixture that the published
implementation made, that proves the reference. `--write DIR` draws a model with odd dimensions
and writes its fixture; nothing of it is the published implementation's.
"""

import argparse
import json
from pathlib import Path

import peft
import timm
import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from golden import (
    ACTION_TOKENS,
    STREAM_TOKENS,
    Margins,
    Tensors,
    adapter_expected,
    cache_difference,
    expected,
    gradients,
)
from odd_model import (
    BASE_VOCABULARY,
    LORA_ALPHA,
    LORA_RANK,
    PATCHES_PER_SIDE,
    SEPARATOR,
    draw_adapter,
    draw_inputs,
    draw_model,
    odd_config,
)
from openvla_reference import (
    Json,
    OpenVlaReference,
    is_unused,
    load_model,
    published_name,
)

TOLERANCE = 1e-4
SMALLEST_MARGIN = 1e-2

# Whole gradients would be most of the fixture: one parameter of each kind in each part.
KEPT_GRADIENTS = (
    "vision_backbone.featurizer.cls_token",
    "vision_backbone.featurizer.reg_token",
    "vision_backbone.featurizer.pos_embed",
    "vision_backbone.featurizer.patch_embed.",
    "vision_backbone.featurizer.blocks.1.",
    "vision_backbone.fused_featurizer.pos_embed",
    "vision_backbone.fused_featurizer.patch_embed.",
    "vision_backbone.fused_featurizer.blocks.0.attn.",
    "vision_backbone.fused_featurizer.blocks.0.norm1.",
    "projector.fc1.bias",
    "projector.fc2.bias",
    "projector.fc3.",
    "language_model.model.embed_tokens.",
    "language_model.model.layers.0.self_attn.",
    "language_model.model.layers.1.input_layernorm.",
    "language_model.model.layers.1.post_attention_layernorm.",
    "language_model.model.layers.2.mlp.down_proj.",
    "language_model.model.norm.",
)
KEPT_ADAPTER_GRADIENTS = (
    "vision_backbone.featurizer.patch_embed.",
    "vision_backbone.featurizer.blocks.2.",
    "vision_backbone.fused_featurizer.patch_embed.",
    "vision_backbone.fused_featurizer.blocks.0.",
    "projector.",
    "language_model.model.layers.1.",
    "language_model.lm_head.",
)


def save_adapter(adapted: PeftModel, directory: Path) -> None:
    """Writes the adapter as peft does, less its model card and the random order of its set of
    module names.
    """
    adapted.save_pretrained(directory)
    (directory / "README.md").unlink()
    path = directory / "adapter_config.json"
    config = json.loads(path.read_text())
    config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2) + "\n")


def save_tensors(path: Path, tensors: Tensors) -> None:
    """Writes copies: a safetensors file refuses tensors that share memory."""
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, path)


def keep(tensors: Tensors, parts: tuple[str, ...]) -> Tensors:
    """The gradients of a few parameters; what is no gradient stays."""
    adapted = "grad.base_model.model."
    return {
        name: value
        for name, value in tensors.items()
        if name.removeprefix(adapted).startswith(parts)
        or not name.startswith((adapted, "vision_backbone", "projector", "language_model"))
    }


def draw_decisive(
    config: Json, seed: int
) -> tuple[int, OpenVlaReference, Tensors, torch.Generator]:
    """The first seed from `seed` on, with its model and inputs, whose choices of tokens no
    rounding can change.
    """
    while True:
        generator = torch.Generator().manual_seed(seed)
        model, inputs = draw_model(config, generator), draw_inputs(generator)
        margins = expected(model, inputs)[1]
        print(f"seed {seed}: greedy margin {margins.greedy:.4f}, beam margin {margins.beam:.4f}")
        if min(margins.greedy, margins.beam) > SMALLEST_MARGIN:
            return seed, model, inputs, generator
        seed += 1


def describe(
    name: str,
    seed: int,
    model: OpenVlaReference,
    inputs: Tensors,
    numbers: Tensors,
    margins: Margins,
) -> Json:
    """info.json: where the numbers come from and how firm they are."""
    names = [published_name(name) for name, _ in model.named_parameters()]
    return {
        "set": name,
        "seed": seed,
        "torch": torch.__version__,
        "timm": timm.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "num_patches": PATCHES_PER_SIDE**2,
        "base_vocab": BASE_VOCABULARY,
        "separator": SEPARATOR,
        "greedy_min_top1_top2_margin": margins.greedy,
        "beam_min_score_gap": margins.beam,
        "greedy_7": numbers[f"greedy_{ACTION_TOKENS}"].tolist(),
        "greedy_16": numbers[f"greedy_{STREAM_TOKENS}"].tolist(),
        "cached_vs_uncached_max_logprob_diff": cache_difference(model, inputs),
        "batch_loss": numbers["batch_loss"].item(),
        "logit_absmax": numbers["logits"].abs().max().item(),
        "params_without_grad": [name for name in names if is_unused(name, model)],
        "lora": {"r": LORA_RANK, "alpha": LORA_ALPHA, "scale": LORA_ALPHA / LORA_RANK},
    }


def write(directory: Path, first_seed: int) -> None:
    """Draws a model with odd dimensions and writes its fixture to `directory`."""
    (directory / "adapter").mkdir(parents=True, exist_ok=True)
    config = odd_config()
    seed, model, inputs, generator = draw_decisive(config, first_seed)
    weights = {published_name(name): value.bfloat16() for name, value in model.named_parameters()}
    numbers, margins = expected(model, inputs)
    with torch.no_grad():
        info = describe(directory.name, seed, model, inputs, numbers, margins)
    grads = gradients(model, inputs)
    assert weights.keys() - grads.keys() == set(info["params_without_grad"])

    adapted = draw_adapter(model, generator)
    adapter_numbers = adapter_expected(model, adapted, inputs)
    info["adapter_batch_loss"] = adapter_numbers["batch_loss"].item()

    save_tensors(directory / "model.safetensors", weights)
    save_tensors(directory / "inputs.safetensors", inputs)
    save_tensors(directory / "expected.safetensors", numbers)
    save_tensors(directory / "expected_grads.safetensors", keep(grads, KEPT_GRADIENTS))
    save_adapter(adapted, directory / "adapter")
    kept = keep(adapter_numbers, KEPT_ADAPTER_GRADIENTS)
    save_tensors(directory / "adapter" / "expected.safetensors", kept)
    for name, value in (("config.json", config), ("info.json", info)):
        (directory / name).write_text(json.dumps(value, indent=1) + "\n")


def largest_difference(name: str, found: Tensor, stored: Tensor, mask: Tensor) -> float:
    """The largest absolute difference; infinite where whole numbers differ. Batch logits count
    where `mask` [B, T] of the text says that there is a token: elsewhere they mean nothing.
    """
    if found.shape != stored.shape:
        return float("inf")
    if not stored.is_floating_point():
        return 0.0 if torch.equal(found, stored) else float("inf")
    difference = (found - stored).abs()
    if name == "batch_logits":
        patches = mask.new_ones(len(mask), stored.shape[1] - mask.shape[1])
        difference = difference[torch.cat([patches, mask], dim=1).bool()]
    return difference.max().item()


def compare(title: str, found: Tensors, stored: Tensors, mask: Tensor) -> float:
    """Prints the difference of each stored tensor, of gradients the largest of all; the
    largest of all these.
    """
    absent = stored.keys() - found.keys()
    if absent:
        raise SystemExit(f"{title}: not computed here: {sorted(absent)}")
    differences = {
        name: largest_difference(name, found[name].detach(), stored[name], mask) for name in stored
    }
    grads = {name: value for name, value in differences.items() if "." in name}
    print(f"{title}: {len(stored)} tensors")
    for name, value in differences.items():
        if name not in grads:
            print(f"  {name:34} {value:.1e}")
    if grads:
        worst = max(grads, key=grads.__getitem__)
        print(f"  {len(grads)} gradients, worst {worst}: {grads[worst]:.1e}")
    return max(differences.values())


def check(directory: Path) -> None:
    """Recomputes every expected tensor of the fixture in `directory`, the adapter's if it has
    one.
    """
    model, inputs = load_model(directory), load_file(directory / "inputs.safetensors")
    mask = inputs["batch_attention_mask"]
    numbers, _ = expected(model, inputs)
    stored = load_file(directory / "expected.safetensors")
    worst = compare("expected", numbers, stored, mask)
    stored = load_file(directory / "expected_grads.safetensors")
    worst = max(worst, compare("expected_grads", gradients(model, inputs), stored, mask))
    adapter = directory / "adapter"
    if adapter.is_dir():
        adapted = PeftModel.from_pretrained(model, adapter, is_trainable=True)
        numbers = adapter_expected(model, adapted, inputs)
        stored = load_file(adapter / "expected.safetensors")
        worst = max(worst, compare("adapter/expected", numbers, stored, mask))
    print(f"largest difference {worst:.1e}, tolerance {TOLERANCE:.0e}")
    if worst > TOLERANCE:
        raise SystemExit("the reference does not agree with the fixture")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--check", type=Path, metavar="DIR", help="compare with this fixture")
    task.add_argument("--write", type=Path, metavar="DIR", help="write a new fixture here")
    parser.add_argument("--seed", type=int, default=1, help="first seed to try (default 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # Sums in one order, so that a fixture can be made again.
    if arguments.check:
        check(arguments.check)
    else:
        write(arguments.write, arguments.seed)


if __name__ == "__main__":
    main()
