"""How much faster several jobs record and evaluate in simulation, and whether they make the same.

    python3 controller/lab/bench/compare_jobs.py
    python3 controller/lab/bench/compare_jobs.py --program before=OLD/jaco --program now=target/debug/jaco

Each program with each number of jobs is a contender. They take turns, in another order in each round, so
that what else the machine does hits all of them alike. Told are the median of the seconds and, round by
round, how many times as long as the first contender each one took. All must record the same bytes and
report the same evaluation, or this ends with 1.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
MINI = REPOSITORY / "model" / "mini"


def work(kind: str, size: int, seed: int, out: Path) -> list[str]:
    """The verb and its options, but for --jobs."""
    task = ["--sim", "--task", "place-block", "--seed", str(seed)]
    if kind == "expert":
        how = ["--perturbed", "0.75", "--random-start", "0.3"]
        return ["record", *task, "--episodes", str(size), *how, "--out", str(out)]
    if kind == "policy":
        how = ["--source", "policy", "--checkpoint", str(MINI), "--max-steps", "40"]
        return ["record", *task, "--episodes", str(size), *how, "--out", str(out)]
    return ["eval", *task, "--trials", str(size), "--horizon", "2", "--policy", f"mini={MINI}"]


def digest(folder: Path) -> str:
    """One for all names and bytes of a folder."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(str(path.relative_to(folder)).encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def measure(program: str, jobs: int, kind: str, size: int, seed: int) -> tuple[float, str]:
    """Seconds that it took, and what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [program, "--json", *work(kind, size, seed, out), "--jobs", str(jobs)]
        begin = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        seconds = time.monotonic() - begin
        made = json.loads(done.stdout)
        return seconds, digest(out) if out.is_dir() else json.dumps(made, sort_keys=True)


def compare(kind: str, contenders: list[tuple[str, str, int]], options: argparse.Namespace) -> bool:
    """Prints what was measured; whether all made the same."""
    seconds: dict[str, list[float]] = {name: [] for name, _, _ in contenders}
    same = True
    for number in range(options.rounds):
        came = set()
        first = number % len(contenders)
        for name, program, jobs in contenders[first:] + contenders[:first]:
            took, result = measure(program, jobs, kind, options.size, options.seed + number)
            seconds[name].append(took)
            came.add(result)
        same &= len(came) == 1
    load = " ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"{kind}, {options.size} each, {options.rounds} rounds, {os.cpu_count()} cores, load {load}")
    first = seconds[contenders[0][0]]
    for name, took in seconds.items():
        ratios = [one / other for one, other in zip(took, first)]
        rounds = " ".join(f"{ratio:.2f}" for ratio in ratios)
        median, ratio = statistics.median(took), statistics.median(ratios)
        print(f"  {name:24} {median:7.1f} s   ratio {ratio:.2f}   ({rounds})")
    print("  all made the same" if same else "  NOT all made the same", flush=True)
    return same


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", action="append", metavar="NAME=JACO", help="a `jaco` to measure")
    parser.add_argument("--jobs", default="1,2", help="numbers of jobs")
    parser.add_argument("--kinds", default="expert,policy,eval", help="what is measured")
    parser.add_argument("--size", type=int, default=8, help="episodes or placements in each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    programs = options.program or [f"jaco={REPOSITORY / 'target' / 'debug' / 'jaco'}"]
    contenders = []
    for program in programs:
        name, path = program.split("=", 1)
        contenders += [(f"{name}, {jobs} jobs", path, int(jobs)) for jobs in options.jobs.split(",")]
    same = [compare(kind, contenders, options) for kind in options.kinds.split(",")]
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
