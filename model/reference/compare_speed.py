"""Times this reference against the Rust code: one picture and prompt to H action units.

Both run the same checkpoint on the CPU in float32 with equally many threads, in turns, so that
whatever else the machine does hits both. The reference decodes as the Action Stream paper does:
greedily through transformers' KV cache, predicting the separator too, eight passes a unit. It
pays for nothing beyond that: no `generate()`, and the vision blocks whose output nobody reads
are removed. The Rust code chooses among action tokens only and forces the separator; an untimed
run of the reference under the same rule must give the same tokens.
"""

import argparse
import json
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from openvla_reference import Json, OpenVlaReference, load_model, read_config

UNIT_TOKENS, ACTION_BINS = 8, 256
PARTS = ("vision", "prefill", "per_unit", "inference")
INSTRUCTION = "put the blue cube on the green plate"
NORMALIZATIONS = (
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
)

Times = dict[str, float]


@dataclass
class Round:
    """What one side measured in one turn: median times [ms] and the tokens that it chose, if it
    told.
    """

    median_ms: Times
    tokens: list[int] | None


class Reference:
    """The checkpoint in eager PyTorch, with what stands before the model."""

    def __init__(self, checkpoint: Path, attention: str) -> None:
        config = read_config(checkpoint)
        self.model: OpenVlaReference = load_model(checkpoint, attention)
        self.model.vision_backbone.drop_unused_blocks()
        self.tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
        self.suffix: int | None = config["action_stream"]["prompt_suffix_token_id"]
        self.separator: int = config["action_stream"]["separator_token_id"]
        base_vocabulary = config["text_config"]["vocab_size"] - config["pad_to_multiple_of"]
        self.first_action: int = base_vocabulary - ACTION_BINS
        constants = torch.tensor(NORMALIZATIONS).view(2, 2, 1, 3, 1, 1)
        self.mean, self.deviation = constants[:, 0], constants[:, 1]
        self.frame = still_picture(config["image_sizes"][0])

    def pixel_values(self) -> Tensor:
        """[1, 6, S, S] of the picture, which has the model's size."""
        picture = torch.from_numpy(self.frame).permute(2, 0, 1) / 255
        return ((picture - self.mean) / self.deviation).flatten(0, 2).unsqueeze(0)

    def write_inputs(self, path: Path) -> None:
        """What both sides are shown, as the Rust benchmark reads it."""
        tensors = {"pixel_values": self.pixel_values(), "input_ids": self.prompt()}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)

    def prompt(self) -> Tensor:
        """Token ids [1, T] of the prompt."""
        text = f"In: What action should the robot take to {INSTRUCTION}?\nOut:"
        ids = self.tokenizer.encode(text).ids
        if self.suffix is not None and ids[-1] != self.suffix:
            ids.append(self.suffix)
        return torch.tensor([ids])

    def choose(self, logits: Tensor, position: int, constrained: bool) -> int:
        """The token at `position` of a stream, after logits [1, T, V]."""
        if not constrained:
            return logits[0, -1].argmax().item()
        if position % UNIT_TOKENS == UNIT_TOKENS - 1:
            return self.separator
        actions = logits[0, -1].narrow(0, self.first_action, ACTION_BINS)
        return self.first_action + actions.argmax().item()

    def infer(self, horizon: int, constrained: bool) -> tuple[Times, list[int]]:
        """Times [ms] of one inference and its tokens, separators included."""
        started = time.perf_counter()
        pixel_values, ids = self.pixel_values(), self.prompt()
        prepared = time.perf_counter()
        features = self.model.vision_features(pixel_values)
        seen = time.perf_counter()
        llama = self.model.language_model
        outputs = llama(inputs_embeds=self.model.embed(features, ids), use_cache=True)
        prefilled = time.perf_counter()
        tokens = [self.choose(outputs.logits, 0, constrained)]
        while len(tokens) < horizon * UNIT_TOKENS:
            outputs = llama(
                input_ids=torch.tensor([tokens[-1:]]),
                past_key_values=outputs.past_key_values,
                use_cache=True,
            )
            tokens.append(self.choose(outputs.logits, len(tokens), constrained))
        ended = time.perf_counter()
        times = {
            "vision": seen - prepared,
            "prefill": prefilled - seen,
            "per_unit": (ended - prefilled) / horizon,
            "inference": ended - started,
        }
        return {part: 1e3 * seconds for part, seconds in times.items()}, tokens

    def measure(self, horizon: int, threads: int, runs: int, warm_up: int) -> Round:
        """Medians over `runs` inferences after `warm_up` others."""
        torch.set_num_threads(threads)
        with torch.inference_mode():
            for _ in range(warm_up):
                self.infer(horizon, constrained=False)
            measured = [self.infer(horizon, constrained=False) for _ in range(runs)]
        medians = {part: median(times[part] for times, _ in measured) for part in PARTS}
        return Round(medians, measured[-1][1])

    def constrained_tokens(self, horizon: int) -> list[int]:
        """The tokens under the rule of the Rust code."""
        with torch.inference_mode():
            return self.infer(horizon, constrained=True)[1]


def still_picture(side: int) -> np.ndarray:
    """A picture [side, side, 3]; what it shows does not matter to the time."""
    return (np.arange(side * side * 3) * 7).astype(np.uint8).reshape(side, side, 3)


def measure_ours(options: argparse.Namespace, inputs: Path, horizon: int, threads: int) -> Round:
    """One turn of the Rust code."""
    jaco = options.jaco
    command = [jaco, "bench", "policy", "--checkpoint", options.checkpoint, "--device", "cpu"]
    command += ["--inputs", inputs, "--runs", str(options.runs)]
    command += ["--dtype", "f32", "--horizon", str(horizon), "--decode", "greedy"]
    command += ["--threads", str(threads), "--json"]
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    if (result["horizon"], result["threads"]) != (horizon, threads):
        raise SystemExit(f"{jaco} measured another horizon or thread count: {result}")
    tokens = result.get("tokens")
    return Round(
        {part: result["median_ms"][part] for part in PARTS},
        None if tokens is None else np.ravel(tokens).tolist(),
    )


def take_turns(
    reference: Reference, inputs: Path, horizon: int, threads: int, options: argparse.Namespace
) -> Json:
    """All rounds of one setting; the order changes with each round, as a warm or throttled
    processor would favour one place in it.
    """
    theirs: list[Round] = []
    ours: list[Round] = []
    for number in range(options.rounds):

        def run_theirs() -> None:
            theirs.append(reference.measure(horizon, threads, options.runs, options.warm_up))

        def run_ours() -> None:
            ours.append(measure_ours(options, inputs, horizon, threads))

        turns = [run_theirs] if options.skip_ours else [run_theirs, run_ours]
        for turn in turns if number % 2 == 0 else reversed(turns):
            turn()
    return summarise(reference, horizon, threads, theirs, ours)


def summarise(
    reference: Reference, horizon: int, threads: int, theirs: list[Round], ours: list[Round]
) -> Json:
    """Medians of the rounds' medians, the range of these, the ratio theirs / ours."""
    separators = theirs[-1].tokens[UNIT_TOKENS - 1 :: UNIT_TOKENS]
    result: Json = {
        "horizon": horizon,
        "threads": threads,
        "theirs_ms": combine(theirs),
        "theirs_tokens": theirs[-1].tokens,
        "theirs_missed_separators": sum(token != reference.separator for token in separators),
    }
    if ours:
        result["ours_ms"] = combine(ours)
        result["ratio"] = {
            part: result["theirs_ms"][part]["median"] / result["ours_ms"][part]["median"]
            for part in PARTS
        }
        constrained = reference.constrained_tokens(horizon)
        result["theirs_constrained_tokens"] = constrained
        result["ours_tokens"] = ours[-1].tokens
        result["same_tokens"] = agree(constrained, ours[-1].tokens)
    return result


def combine(rounds: list[Round]) -> dict[str, Times]:
    """Median and range over rounds of each part."""
    columns = {part: [one.median_ms[part] for one in rounds] for part in PARTS}
    return {
        part: {"median": median(values), "least": min(values), "most": max(values)}
        for part, values in columns.items()
    }


def agree(theirs: list[int], ours: list[int] | None) -> bool | None:
    """Whether both chose the same action tokens; None if ours are unknown. The Rust code may
    leave out the separators, which it does not choose.
    """
    if ours is None:
        return None
    actions = [token for i, token in enumerate(theirs) if i % UNIT_TOKENS != UNIT_TOKENS - 1]
    return ours in (theirs, actions)


def row(result: Json, title: str, values: dict[str, str]) -> str:
    """A line of the table."""
    cells = "".join(f"{values[part]:>11}" for part in PARTS)
    return f"{result['threads']:>7} {result['horizon']:>3}  {title:<13}{cells}"


def print_result(result: Json) -> None:
    """The lines of one setting."""
    for side in ("theirs", "ours"):
        if f"{side}_ms" in result:
            times = result[f"{side}_ms"]
            print(row(result, side, {part: f"{times[part]['median']:.2f}" for part in PARTS}))
    if "ratio" in result:
        ratio = {part: f"{value:.2f}x" for part, value in result["ratio"].items()}
        print(row(result, "theirs / ours", ratio))
    if result["theirs_missed_separators"]:
        missed = result["theirs_missed_separators"]
        print(f"{'':13}free to choose, theirs missed {missed} of {result['horizon']} separators")
    if result.get("same_tokens") is False:
        print(f"{'':13}the tokens differ:")
        print(f"{'':13}  theirs {result['theirs_constrained_tokens']}")
        print(f"{'':13}  ours   {result['ours_tokens']}")


def processor() -> str:
    """The processor's name, where the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR")
    ours = parser.add_mutually_exclusive_group(required=True)
    ours.add_argument("--jaco", type=Path, help="the program to compare with")
    ours.add_argument("--skip-ours", action="store_true", help="time the reference alone")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--horizons", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--runs", type=int, default=30, help="inferences a round (default 30)")
    parser.add_argument("--warm-up", type=int, default=5, help="inferences before (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side (default 3)")
    parser.add_argument(
        "--attention",
        choices=("eager", "sdpa"),
        default="eager",
        help="transformers' implementation in the language model (default eager)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    return parser.parse_args()


def main() -> None:
    """Measures every setting and prints the table."""
    options = parse()
    reference = Reference(options.checkpoint, options.attention)
    print(f"median times [ms], float32, {options.attention} attention, {processor()}")
    heading = {part: part.replace("_", " ") for part in PARTS}
    print(row({"threads": "threads", "horizon": "H"}, "", heading))
    results = []
    with TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.safetensors"
        reference.write_inputs(inputs)
        for threads in options.threads:
            for horizon in options.horizons:
                results.append(take_turns(reference, inputs, horizon, threads, options))
                print_result(results[-1])
    if options.json:
        report = {
            "processor": processor(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "attention": options.attention,
            "runs": options.runs,
            "rounds": options.rounds,
            "results": results,
        }
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
