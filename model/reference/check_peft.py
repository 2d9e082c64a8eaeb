"""Checks adapters trained by `jaco train lbc --lora` against PEFT, in both directions.

`--adapter DIR --base DIR` loads the adapter in DIR, which was trained here on the checkpoint in
the base folder, with PEFT's own loader, and compares logits with those of the weights into which
the product of the two matrices is added by hand. `--make DIR --base DIR` has PEFT make an adapter
on the base, train it a few steps and save it; `jaco train lbc --init BASE --adapter DIR` goes on
from it. Must never write into the base.
"""

import argparse
import json
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from torch import Tensor, nn

from openvla_reference import OpenVlaReference, load_model, read_config

TOLERANCE = 1e-4
PREFIX = "base_model.model."
STEPS, RATE = 8, 5e-3


def inputs(directory: Path) -> tuple[Tensor, Tensor]:
    """A picture and a prompt drawn from a seed, of the sizes that the checkpoint wants."""
    config = read_config(directory)
    generator = torch.Generator().manual_seed(3)
    side = config["image_sizes"][0]
    picture = torch.randn(2, 6, side, side, generator=generator)
    first_action = config["text_config"]["vocab_size"] - config["pad_to_multiple_of"] - 256
    ids = torch.randint(3, first_action, (2, 20), generator=generator)
    ids[:, 0] = 1
    return picture, ids


def merged_by_hand(base: OpenVlaReference, directory: Path) -> OpenVlaReference:
    """`base` with the adapter added into its weights, by the definition alone."""
    config = json.loads((directory / "adapter_config.json").read_text())
    scale = config["lora_alpha"] / config["r"]
    stored = load_file(directory / "adapter_model.safetensors")
    modules = dict(base.named_modules())
    with torch.no_grad():
        for name, b in stored.items():
            if not name.endswith(".lora_B.weight"):
                continue
            a = stored[name.replace("lora_B", "lora_A")]
            weight = modules[name.removeprefix(PREFIX).removesuffix(".lora_B.weight")].weight
            weight += scale * (b.flatten(1) @ a.flatten(1)).reshape(weight.shape)
    return base


def check(base: Path, adapter: Path) -> None:
    """Loads the adapter with PEFT and compares what it does with what it should do."""
    picture, ids = inputs(base)
    plain = load_model(base)
    with torch.no_grad():
        before = plain(picture, ids).logits
        wanted = merged_by_hand(load_model(base), adapter)(picture, ids).logits
        adapted = PeftModel.from_pretrained(plain, str(adapter)).eval()
        found = adapted(picture, ids).logits
    moved, off = (wanted - before).abs().max().item(), (found - wanted).abs().max().item()
    count = sum(".lora_B." in name for name, _ in adapted.named_parameters())
    stored = load_file(adapter / "adapter_model.safetensors")
    used = sum(name.endswith(".lora_B.weight") for name in stored)
    print(f"{count} pairs in PEFT, {used} of them stored")
    print(f"logits move by {moved:.4f} and are off by {off:.2e}")
    if not (moved > 100 * TOLERANCE and off < TOLERANCE):
        raise SystemExit("PEFT does something else with this adapter")


def make(base: Path, directory: Path, rank: int) -> None:
    """Has PEFT train an adapter on the base for a few steps."""
    torch.manual_seed(5)
    picture, ids = inputs(base)
    config = LoraConfig(
        r=rank,
        lora_alpha=min(rank, 16),
        lora_dropout=0.0,
        target_modules="all-linear",
        init_lora_weights="gaussian",
    )
    adapted = get_peft_model(load_model(base), config)
    trained = [value for value in adapted.parameters() if value.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=RATE)
    for _ in range(STEPS):
        logits = adapted(picture, ids).logits[:, -ids.shape[1] : -1]
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    adapted.save_pretrained(str(directory))
    print(f"{len(trained) // 2} pairs, loss {loss.item():.3f}, in {directory}")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="checkpoint below the adapter")
    parser.add_argument("--adapter", type=Path, help="adapter trained here, to be checked")
    parser.add_argument("--make", type=Path, metavar="DIR", help="where PEFT's adapter goes")
    parser.add_argument("--rank", type=int, default=4)
    given = parser.parse_args()
    if given.adapter:
        check(given.base, given.adapter)
    if given.make:
        make(given.base, given.make, given.rank)


if __name__ == "__main__":
    main()
