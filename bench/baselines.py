"""What the simple methods cost beside a training: `python -m bench.baselines`.

Settling (fitting on the training split, scoring all methods on the validation split, measuring what
the best one misses) and scoring on the test split, in one thread, as the wizard lets them be worked
out. The reference is one epoch of the optimizer steps of the default EDSR with all cores, loading
included and validation left out, on 64 whole fields of 256 x 256, scale 4, and on patches of 128 of
them. Printed is the time of the processor, over all threads, which other work on the machine alters
less than that of the clock.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from bench._epochs import freeze
from srwizard.settings import run_config
from srwizard.train.dataset import verified
from srwizard.train.distributed import Place
from srwizard.train.loop import epoch_steps
from srwizard.train.setup import load_statistics, micro_batches_of, set_up
from srwizard.train.simple_methods import load_learnt
from srwizard.train.step import optimizer_step
from tests.datasets import write_dataset

STEPS = (64, 16, 16)
HR_SHAPE, SCALE = (256, 256), 4
PATCHES = {"whole fields": None, "patches of 128": 128}
GOAL_RATIO = 0.10
SETTLE = """
import sys, time; from pathlib import Path
from srwizard.data.baselines.report import baselines_of
from srwizard.data.dataset import Dataset
dataset = Dataset(Path(sys.argv[1]))
dataset.summary
began = time.process_time()
baselines_of(dataset)
print(time.process_time() - began)
"""


def settling_seconds(root: Path) -> float:
    """Settle and score the simple methods in a process of its own; return the seconds it took."""
    command = [sys.executable, "-c", SETTLE, str(root)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def epoch_seconds(work: Path, name: str, patch_size: int | None) -> float:
    """Take the optimizer steps of one epoch; return the seconds they took."""
    run_dir = freeze(
        work, name, {"name": "EDSR"}, memory={"use_amp": False, "patch_size": patch_size}
    )
    run = run_config.load(run_dir)
    contents = verified(run).contents
    training = set_up(
        run,
        contents,
        load_statistics(run, run_dir, contents),
        Place(0, 1, torch.device("cpu")),
        learnt=load_learnt(run, run_dir, contents),
    )
    plan = epoch_steps(training)
    training.objective.train()
    began = time.process_time()
    batches = training.batches("train", micro_batches_of(plan))
    for step in plan:
        optimizer_step(training, step, batches)
    return time.process_time() - began


def main() -> None:
    """Print a row for each kind of sample."""
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        write_dataset(work / "data", steps=STEPS, hr_shape=HR_SHAPE, scale=SCALE)
        print("| samples | simple methods: s | epoch of EDSR: s | ratio | goal |")
        print("| --- | --- | --- | --- | --- |")
        for name, patch_size in PATCHES.items():
            settling = settling_seconds(work / "data")
            epoch = epoch_seconds(work, name.replace(" ", "-"), patch_size)
            ratio = f"{settling / epoch:.3f}"
            print(f"| {name} | {settling:.2f} | {epoch:.1f} | {ratio} | < {GOAL_RATIO} |")


if __name__ == "__main__":
    main()
