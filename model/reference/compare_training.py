"""Times training by this reference against `jaco train lbc`: imitation of streams of H units.

Both train a model of the checkpoint's sizes on the CPU in float32, with equally large batches and
equally many threads, in turns, so that whatever else the machine does hits both. A step of the
reference is what anyone would write: towers, projector and Llama over padded sequences, the cross
entropy of the streams' tokens, backward, clipping, AdamW (fused). It is given random pictures and
tokens that lie ready; the Rust code reads, augments and jitters its own, and keeps a moving average.

`all` trains all weights. `decoder` trains the decoder behind towers that stand still: the Rust code
computes what they see once, and the reference finds it ready as well; `decoder, towers` is the
reference when it computes them for every batch instead.
"""

import argparse
import json
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
import transformers
from tokenizers import Tokenizer
from torch import Tensor

from compare_speed import ACTION_BINS, INSTRUCTION, UNIT_TOKENS, processor
from openvla_reference import OpenVlaReference, read_config

# AdamW's and the clipping's numbers are those of `jaco train`.
OPTIMISER = {"lr": 1e-3, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.05}
CLIP_NORM = 1.0
IGNORED = -100
RECIPE = """
trainable = "{trainable}"
batch_size = {batch}
threads = {threads}
report_every = {report_every}
save_every = 1000000
validation_fraction = 0.0
compute_dtype = "{compute}"
short_stream_fraction = {short}
aux_weight = 0.0
"""


class Reference:
    """The model in eager PyTorch, with a batch that lies ready."""

    def __init__(self, options: argparse.Namespace, horizon: int) -> None:
        torch.manual_seed(0)
        config = read_config(options.checkpoint)
        self.model = OpenVlaReference(config, options.attention).train()
        self.model.vision_backbone.drop_unused_blocks()
        side, batch = config["image_sizes"][0], options.batch
        self.pixel_values = torch.randn(batch, 6, side, side)
        with torch.no_grad():
            self.kept = self.model.vision_features(self.pixel_values)
        self.prompt = prompt(options.checkpoint, config)
        base_vocabulary = config["text_config"]["vocab_size"] - config["pad_to_multiple_of"]
        stream = torch.randint(
            base_vocabulary - ACTION_BINS, base_vocabulary, (batch, horizon, UNIT_TOKENS)
        )
        stream[:, :, -1] = config["action_stream"]["separator_token_id"]
        before = torch.tensor(self.prompt).expand(batch, -1)
        ids = torch.cat([before, stream.flatten(1)], dim=1)
        # The last token is never fed in: nothing is predicted from it.
        self.input_ids = ids[:, :-1]
        unsupervised = torch.full((batch, self.kept.shape[1] + len(self.prompt) - 1), IGNORED)
        self.labels = torch.cat([unsupervised, stream.flatten(1)], dim=1)

    def loss(self, features: Tensor) -> Tensor:
        """Mean cross entropy of the streams' tokens."""
        embeddings = self.model.embed(features, self.input_ids)
        logits = self.model.language_model(inputs_embeds=embeddings, use_cache=False).logits
        return F.cross_entropy(logits.flatten(0, 1), self.labels.flatten(), ignore_index=IGNORED)

    def seen(self) -> Tensor:
        """What the towers see, without gradients."""
        with torch.no_grad():
            return self.model.vision_features(self.pixel_values)

    def measure(self, way: str, options: argparse.Namespace) -> float:
        """States a second, after some steps that do not count."""
        torch.set_num_threads(options.threads)
        features: Callable[[], Tensor] = {
            "all": lambda: self.model.vision_features(self.pixel_values),
            "decoder": lambda: self.kept,
            "decoder, towers": self.seen,
        }[way]
        trained = self.model if way == "all" else self.model.language_model
        parameters = list(trained.parameters())
        optimiser = torch.optim.AdamW(parameters, **OPTIMISER, fused=True)
        now = time.perf_counter if options.clock == "wall" else time.process_time
        started = 0.0
        for step in range(options.warm_up + options.steps):
            if step == options.warm_up:
                started = now()
            self.loss(features()).backward()
            torch.nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return options.batch * options.steps / (now() - started)


def prompt(checkpoint: Path, config: dict) -> list[int]:
    """Token ids of an instruction as long as that of the datasets."""
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    ids = tokenizer.encode(f"In: What action should the robot take to {INSTRUCTION}?\nOut:").ids
    suffix = config["action_stream"]["prompt_suffix_token_id"]
    return ids if suffix is None or ids[-1] == suffix else [*ids, suffix]


@dataclass
class Run:
    """A run of `jaco train lbc`: what it took of the processors, and what it reported last."""

    cpu_s: float
    states_per_s: float


def train(
    jaco: Path, way: str, horizon: int, steps: int, report_every: int, options: argparse.Namespace
) -> Run:
    """Runs `jaco train lbc` for so many steps."""
    with TemporaryDirectory() as folder:
        recipe, out = Path(folder) / "recipe.toml", Path(folder) / "out"
        numbers = {"trainable": way, "report_every": report_every, "batch": options.batch}
        numbers |= {"threads": options.threads, "compute": options.compute}
        recipe.write_text(RECIPE.format(short=options.short_fraction, **numbers))
        command = [jaco, "train", "lbc", "--dataset", options.dataset, "--out", out]
        command += ["--init", options.checkpoint, "--recipe", recipe, "--steps", str(steps)]
        command += ["--horizon", str(horizon), "--cache", "memory"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        lines = (out / "training/metrics.jsonl").read_text().splitlines()
    reports = [json.loads(line) for line in lines]
    rates = [report["states_per_s"] for report in reports if "states_per_s" in report]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(cpu_s, rates[-1])


def measure_ours(jaco: Path, way: str, horizon: int, options: argparse.Namespace) -> float:
    """States a second of `jaco train lbc`: what it reports of the second half of its run, or what
    a run takes of the processors beyond a shorter one.
    """
    frames = json.loads((options.dataset / "meta/info.json").read_text())["total_frames"]
    # Features are kept where all states are visited as often as once.
    least = -(-frames // options.batch) if way == "decoder" else 0
    if options.clock == "wall":
        steps = max(options.steps, -(-least // 2))
        return train(jaco, way, horizon, 2 * steps, steps, options).states_per_s
    first = max(2, least)
    whole = first + options.steps
    short = train(jaco, way, horizon, first, first, options)
    long = train(jaco, way, horizon, whole, whole, options)
    return options.batch * options.steps / (long.cpu_s - short.cpu_s)


def take_turns(horizon: int, options: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """States a second of every side in every round, by way and side."""
    reference = Reference(options, horizon)
    rates: dict[str, dict[str, list[float]]] = {}
    for _ in range(options.rounds):
        for way in options.ways:
            found = rates.setdefault(way, {})
            for i, path in enumerate(options.jaco):
                name = "jaco" if i == 0 else str(path)
                found.setdefault(name, []).append(measure_ours(path, way, horizon, options))
            found.setdefault("pytorch", []).append(reference.measure(way, options))
            if way == "decoder":
                computed = reference.measure("decoder, towers", options)
                found.setdefault("pytorch, towers", []).append(computed)
    return rates


def print_result(horizon: int, rates: dict[str, dict[str, list[float]]]) -> None:
    """A line for each way and side: the median rate, and how much faster the first jaco is, as the
    median over the rounds and their range.
    """
    for way, found in rates.items():
        ours = found["jaco"]
        for name, theirs in found.items():
            ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
            said = f"H={horizon} {way:8} {name:16} {median(theirs):7.1f} states/s"
            if name != "jaco":
                said += f"   jaco is {median(ratios):.2f} times as fast"
                said += f" ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            print(said, flush=True)


def parse() -> argparse.Namespace:
    """The command line."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--jaco",
        type=Path,
        action="append",
        required=True,
        help="the program; others, given after it, are measured beside it",
    )
    parser.add_argument("--dataset", type=Path, required=True, help="a small one: some 8 episodes")
    parser.add_argument("--checkpoint", type=Path, default=here.parent / "mini")
    parser.add_argument("--horizons", type=int, nargs="+", default=[8])
    parser.add_argument("--ways", nargs="+", choices=("all", "decoder"), default=["all", "decoder"])
    parser.add_argument("--batch", type=int, default=64, help="states (default 64)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--short-fraction",
        type=float,
        default=0.0,
        help="share of jaco's batches with one unit only; not for the comparison (default 0)",
    )
    parser.add_argument(
        "--compute",
        choices=("f32", "bf16"),
        default="f32",
        help="jaco's compute_dtype; PyTorch computes in float32 (default f32)",
    )
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="seconds of the day, or of the processors, which others' work hardly touches; with one "
        "thread both are the same on a machine of one's own (default wall)",
    )
    parser.add_argument("--steps", type=int, default=8, help="timed steps a turn (default 8)")
    parser.add_argument("--warm-up", type=int, default=2, help="steps before (default 2)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side (default 3)")
    parser.add_argument("--attention", choices=("eager", "sdpa"), default="sdpa")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    return parser.parse_args()


def main() -> None:
    """Measures every horizon and prints the table."""
    options = parse()
    setting = f"batch {options.batch}, {options.threads} threads, {options.compute}, {processor()}"
    print(f"{setting}, {options.clock} time")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {options.attention}")
    results = {}
    for horizon in options.horizons:
        results[horizon] = take_turns(horizon, options)
        print_result(horizon, results[horizon])
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
