"""How fast rows come: lerobot's DataLoader against ours, on one dataset larger than memory.

    python3 model/training/bench/compare_loader.py --size 640x480 --rows 6000 --limit-mb 700

Writes the dataset with `cargo run --example loader`, then measures in turns, each in a control group
whose memory (page cache included) is limited, after the files were dropped from the page cache:

- lerobot 0.4.4 (a virtual environment of its own, made in the user's cache at the first run),
  `DataLoader(LeRobotDataset(...), batch_size=64, shuffle=True, num_workers=2)`: pictures at the
  recorded size as float32, which a policy still has to resize;
- single rows at random out of the files, by `Dataset::read_rows`;
- batches of 64 as `jaco train` draws them from pictures kept on disk: resized, augmented, normalised
  for two towers, with tokens. Making them is timed on its own: it is done once.

Needs root for the control group (version 1 or 2); without, say --no-limit.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LEROBOT = "0.4.4"
REPOSITORY = Path(__file__).resolve().parents[3]

LEROBOT_SCRIPT = """
import json, sys, time
import torch
from torch.utils.data import DataLoader
from lerobot.datasets.lerobot_dataset import LeRobotDataset

root, seconds, workers = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
begin = time.monotonic()
dataset = LeRobotDataset("local/measured", root=root)
torch.manual_seed(0)
loader = DataLoader(dataset, batch_size=64, shuffle=True, num_workers=workers, drop_last=True)
batches = iter(loader)
next(batches)
opened_s = time.monotonic() - begin
begin, rows = time.monotonic(), 0
while time.monotonic() - begin < seconds:
    try:
        batch = next(batches)
    except StopIteration:
        batches = iter(loader)
        continue
    rows += len(batch["index"])
print(json.dumps({"rows_per_s": rows / (time.monotonic() - begin), "opened_s": opened_s,
                  "picture": list(batch["observation.images.front"].shape)}))
"""


def lerobot_python() -> Path:
    """The Python of an environment that has lerobot."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "jacod" / f"lerobot-{LEROBOT}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"lerobot=={LEROBOT}"], check=True)
        (folder / "complete").touch()
    return python


class Limit:
    """A control group with so much memory, or none."""

    def __init__(self, megabytes: int | None) -> None:
        self.group = None
        if megabytes is None:
            return
        first = Path("/sys/fs/cgroup/memory")
        version_1 = (first / "memory.limit_in_bytes").exists()
        self.group = (first if version_1 else Path("/sys/fs/cgroup")) / f"loader-{os.getpid()}"
        self.group.mkdir()
        self.file = self.group / ("memory.limit_in_bytes" if version_1 else "memory.max")
        self.widen(megabytes)

    def widen(self, megabytes: int | None) -> None:
        """Another limit, if one is given."""
        if self.group is not None and megabytes is not None:
            self.file.write_text(str(megabytes << 20))

    def run(self, command: list, environment: dict | None = None) -> dict:
        """What the command prints last, as JSON."""
        enter = None
        if self.group is not None:
            tasks = self.group / "cgroup.procs"
            enter = lambda: tasks.write_text(str(os.getpid()))  # noqa: E731
        ended = subprocess.run(
            [str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True,
            preexec_fn=enter, env={**os.environ, **(environment or {})},
        )
        return json.loads(ended.stdout.strip().splitlines()[-1])

    def close(self) -> None:
        if self.group is not None:
            self.group.rmdir()


def forget(folder: Path) -> int:
    """Drops the files below a folder from the page cache; their bytes."""
    size = 0
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            size += path.stat().st_size
    return size


def model_of(side: int, folder: Path) -> Path:
    """The mini policy's sizes with pictures of another side."""
    mini = REPOSITORY / "model" / "mini"
    folder.mkdir()
    config = json.loads((mini / "config.json").read_text())
    config["image_sizes"] = [side, side]
    config["text_config"]["max_position_embeddings"] = 2048
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copy(mini / "tokenizer.json", folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="640x480", help="WIDTHxHEIGHT of the pictures")
    parser.add_argument("--side", type=int, default=224, help="side of the model's picture")
    parser.add_argument("--rows", type=int, default=6000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--limit-mb", type=int, default=700)
    parser.add_argument("--lerobot-limit-mb", type=int, help="where lerobot needs more than ours")
    parser.add_argument("--no-limit", action="store_true")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--python", type=Path, help="a Python that has lerobot already")
    parser.add_argument("--loader", type=Path, default=REPOSITORY / "target/debug/examples/loader")
    parser.add_argument("--folder", type=Path, help="where the data go [default: a temporary one]")
    options = parser.parse_args()
    python = options.python or lerobot_python()
    width, height = (int(side) for side in options.size.split("x"))
    folder = Path(tempfile.mkdtemp(prefix="loader-", dir=options.folder))
    data = folder / "data"
    limit = Limit(None if options.no_limit else options.limit_mb)
    try:
        episodes = max(1, options.rows // 200)
        subprocess.run([options.loader, "make", data, str(width), str(height), str(episodes), "200"],
                       check=True, stdout=subprocess.DEVNULL)
        model = model_of(options.side, folder / "model")
        seconds = str(options.seconds)
        result = {"size": options.size, "side": options.side, "rows": episodes * 200,
                  "limit_mb": None if options.no_limit else options.limit_mb,
                  "dataset_bytes": forget(data)}
        made = limit.run([options.loader, "batches", data, model, "beside", "0"])
        result["made_once"] = {"rows_per_s": episodes * 200 / made["opened_s"], "bytes": made["bytes"]}
        forget(folder)
        result["ours"] = limit.run([options.loader, "batches", data, model, "beside", seconds])
        forget(folder)
        result["single_rows"] = limit.run([options.loader, "rows", data, seconds])
        forget(folder)
        script = folder / "measure.py"
        script.write_text(LEROBOT_SCRIPT)
        hub = {"HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1"}
        print(json.dumps(result), file=sys.stderr)
        limit.widen(options.lerobot_limit_mb)
        result["lerobot_limit_mb"] = options.lerobot_limit_mb or options.limit_mb
        result["lerobot"] = limit.run([python, script, data, seconds, options.workers], hub)
        result["ratio"] = result["ours"]["rows_per_s"] / result["lerobot"]["rows_per_s"]
        print(json.dumps(result, indent=2))
    finally:
        limit.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
