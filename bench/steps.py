"""A training step of srwizard against a plain loop: `python -m bench.steps [EDSR ...]`.

Both train the same network on the same fields, in turns, in processes of their own: srwizard by
`srwizard train` on a frozen run, with its default loss, optimizer and checks; the reference by the
loop of `_textbook`, in an environment in which nothing is set. Seconds are the median over the
epochs of all rounds, without the first of each, which warms up; memory is the largest resident set
of the training process. Quiet, and beside two other processes that compute without a pause.

What is set in the environment (OMP_WAIT_POLICY, MALLOC_MMAP_THRESHOLD_, ...) is handed on to
srwizard, which keeps to it: so settings are compared.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench._runs import frozen
from srwizard.settings import run_config
from srwizard.train.process_environment import settings
from tests.datasets import write_dataset

HR_SHAPE, SCALE = (128, 256), 4
BATCH, PATCH = 4, 64
FIELDS = (32, 2, 2)
SWINIR = {"embed_dim": 120, "depths": [6] * 4, "num_heads": [6] * 4}
DIFFUSION = {"sampling_steps": 2, "ensemble_members": 1}
"""Few samples: scoring is not what is timed."""
OURS = ("OMP_", "GOMP_", "KMP_", "MALLOC_", "GLIBC_TUNABLES", "THP_MEM", "LD_PRELOAD", "MIMALLOC_")
"""How the names begin of what is taken out of the environment of the reference."""
BUSY = "while True: pass"
LOADS = {"quiet": 0, "busy": 2}
MOST_TIME = {True: 0.95, False: 0.8}
"""By whether blocks are checkpointed."""


@dataclass(frozen=True)
class Case:
    """A network, and the windows that it is trained on; None: whole fields."""

    model: str
    params: Mapping[str, Any]
    patch: int | None = PATCH


CASES = {
    "EDSR": Case("EDSR", {"num_features": 64, "num_blocks": 16}),
    "SwinIR": Case("SwinIR", SWINIR),
    "FNO2d-24": Case("FNO2d", {"modes": 24}, None),
    "FNO2d-12": Case("FNO2d", {"modes": 12}, None),
    "DDPM": Case("DDPM", DIFFUSION),
    "SR3": Case("SR3", DIFFUSION),
}


@dataclass
class Found:
    """Seconds of a step in each epoch, and the largest resident set of each round."""

    seconds: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)

    def add(self, seconds: Sequence[float], peak: int) -> None:
        """Add a round; its first epoch does not count."""
        self.seconds += seconds[1:]
        self.peaks.append(peak)

    def __str__(self) -> str:
        return f"{median(self.seconds):.3f} s / {max(self.peaks) / 2**20:.0f} MiB"


def main(arguments: Sequence[str] = ()) -> None:
    """Print a row for each case, as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m bench.steps", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--checkpointing", choices=["on", "off"], help="only so")
    parser.add_argument("--load", choices=list(LOADS), help="only so")
    parser.add_argument("--rounds", type=int, default=3, help="each side's processes [3]")
    parser.add_argument("--epochs", type=int, default=4, help="of 8 steps each [4]")
    parser.add_argument("--alone", action="store_true", help="without the reference")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are: {', '.join(CASES)}")
    with tempfile.TemporaryDirectory(prefix="srwizard-bench-") as name:
        work = Path(name)
        root = write_dataset(work / "data", steps=FIELDS, hr_shape=HR_SHAPE, scale=SCALE)
        print("| case | checkpointing | load | plain loop | srwizard | time (at most) | memory |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        run_dir = None
        for case in chosen.cases or CASES:
            for checkpointing in {"on": [True], "off": [False]}.get(
                chosen.checkpointing, [True, False]
            ):
                run_dir = made(work, root, CASES[case], checkpointing, chosen.epochs)
                for load in [chosen.load] if chosen.load else LOADS:
                    print(row(case, run_dir, load, chosen.rounds, alone=chosen.alone), flush=True)
        if run_dir is not None:
            names = [one for one in settings(run_config.load(run_dir)) if one.startswith(OURS)]
            its = os.environ | settings(run_config.load(run_dir))
            print("\nsrwizard with " + ", ".join(f"{one}={its[one]}" for one in names))


def made(work: Path, root: Path, case: Case, checkpointing: bool, epochs: int) -> Path:
    """Freeze a run of a case; return its directory."""
    return frozen(
        Path(tempfile.mkdtemp(dir=work)) / "run",
        root,
        {"name": case.model, "params": dict(case.params)},
        # Scored once: each epoch is timed by itself, its validation is not.
        {"epochs": epochs, "batch_size": BATCH, "eval_freq": epochs},
        memory={"gradient_checkpointing": checkpointing, "patch_size": case.patch},
    )


def row(name: str, run_dir: Path, load: str, rounds: int, *, alone: bool) -> str:
    """Measure a case beside as many other processes; return its line of the table."""
    plain, ours = Found(), Found()
    checkpointing = run_config.load(run_dir).memory.gradient_checkpointing
    with beside(LOADS[load]):
        for number in range(rounds):
            if not alone:
                plain.add(*textbook(CASES[name], run_dir))
            ours.add(*srwizard(run_dir, run_dir.with_name(f"{load}-{number}")))
    what = f"| {name} | {'on' if checkpointing else 'off'} | {load} |"
    if alone:
        return f"{what} - | {ours} | - | - |"
    time = median(ours.seconds) / median(plain.seconds)
    memory = max(ours.peaks) / max(plain.peaks)
    most = MOST_TIME[checkpointing]
    return f"{what} {plain} | {ours} | {time:.2f} ({most:.2f}) | {memory:.2f} (1.00) |"


@contextlib.contextmanager
def beside(count: int) -> Iterator[None]:
    """Have other processes compute meanwhile."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def textbook(case: Case, run_dir: Path) -> tuple[list[float], int]:
    """Train in a plain loop; return the seconds of a step in each epoch, and the peak in bytes."""
    run = run_config.load(run_dir)
    told = {
        "root": run.data.root,
        "model": case.model,
        "params": case.params,
        "patch": case.patch,
        "checkpointing": run.memory.gradient_checkpointing,
        "batch": BATCH,
        "scale": SCALE,
        "epochs": run.training.epochs,
        "ema_decay": run.training.ema_decay,
    }
    environment = {name: it for name, it in os.environ.items() if not name.startswith(OURS)}
    command = [sys.executable, "-m", "bench._textbook"]
    ended = subprocess.run(
        command, input=json.dumps(told), capture_output=True, text=True, env=environment
    )
    if ended.returncode:
        raise SystemExit(ended.stderr[-2000:])
    found = json.loads(ended.stdout)
    return found["seconds"], found["peak_bytes"]


def srwizard(run_dir: Path, copy: Path) -> tuple[list[float], int]:
    """Train a copy of a frozen run; return as `textbook`."""
    shutil.copytree(run_dir, copy)
    command = [sys.executable, "-m", "srwizard", "train", str(copy)]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    lines = (copy / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    epochs = [event for event in map(json.loads, lines) if event["event"] == "epoch"]
    steps = FIELDS[0] // BATCH
    return [epoch["seconds"] / steps for epoch in epochs], epochs[-1]["peak_memory_bytes"]


if __name__ == "__main__":
    main(sys.argv[1:])
