"""Throughput of the loader against a plain memory-mapped copy: `python -m bench.loader`.

A dataset of HR [680, 1440] and LR [170, 360] is generated, with red spectra and land, as `.npy`
files, and the same as HDF5 and NetCDF. The reference copies the same windows out of the `.npy`
files in the same order, also with two workers, and does nothing else to them; both are timed in
turns, medians of several rounds. Then a small EDSR is trained on patches of these fields, and it
is shown how much of a step's time goes by until its batch is there. At last the resident memory of
a run that goes through 50 steps is held against one that goes through 1000.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from srwizard.data import normalization
from srwizard.data.fields import FloatField
from srwizard.data.layout import LEVELS, scan
from srwizard.data.samples import FieldPairs, Key
from srwizard.data.split_names import SPLITS
from srwizard.train.dataset import contents_for
from srwizard.train.distributed import Place
from srwizard.train.loaders import as_it_is
from srwizard.train.loop import epoch_steps
from srwizard.train.setup import micro_batches_of, set_learning_rate, set_up
from srwizard.train.step import optimizer_step
from tests.configs import cpu_run, data_of, frozen
from tests.datasets import write_h5, write_nc

HR_SHAPE, SCALE = (680, 1440), 4
STEPS = 64
BATCH, WORKERS, ROUNDS = 8, 2, 7
LEAST_RATIO = 0.7
LARGEST_GROWTH = 0.05
STEP_BATCH, STEP_PATCH = 4, 64
NETWORK = {"num_features": 32, "num_blocks": 4}
WRITERS = {"h5": write_h5, "nc": write_nc}


class PlainCopy(Dataset[dict[str, torch.Tensor]]):
    """The windows of `pairs`, copied out of memory-mapped files and nothing else."""

    def __init__(self, pairs: FieldPairs, root: Path) -> None:
        self.pairs = pairs
        self.files = {
            level: sorted((root / "train" / level / "temp").glob("*.npy")) for level in LEVELS
        }

    def __getitem__(self, key: Key) -> dict[str, torch.Tensor]:
        rows, columns = self.pairs._window(key)
        found = {}
        for level, factor in (("hr", SCALE), ("lr", 1)):
            mapped = np.load(self.files[level][key.index], mmap_mode="r")
            if rows.stop is not None:
                mapped = mapped[
                    rows.start * factor : rows.stop * factor,
                    columns.start * factor : columns.stop * factor,
                ]
            found[level] = torch.from_numpy(np.array(mapped)[None])
        return found


def write_dataset(root: Path, steps: int) -> None:
    """Write fields with power falling as k^-3, drifting from step to step, and land.

    Beyond `STEPS`, names stand for the same files again: what is measured is how memory grows
    with the number of steps, not how long a disk takes.
    """
    random = np.random.default_rng(0)
    bases = [red_noise(random) for _ in range(4)]
    land = red_noise(random) > 0.8
    for split, count in (("train", steps), ("valid", 2), ("test", 2)):
        directories = [root / split / level / "temp" for level in LEVELS]
        for directory in directories:
            directory.mkdir(parents=True)
        for step in range(count):
            names = [directory / f"{step:05d}.npy" for directory in directories]
            if step >= STEPS:
                for name in names:
                    os.link(name.with_name(f"{step % STEPS:05d}.npy"), name)
                continue
            parts = (np.sin(0.1 * step + n) * base for n, base in enumerate(bases))
            hr = np.where(land, np.float32(np.nan), 15 + sum(parts)).astype(np.float32)
            for name, field in zip(names, (hr, hr[::SCALE, ::SCALE]), strict=True):
                np.save(name, field)


def red_noise(random: np.random.Generator) -> FloatField:
    """Return a field `[H, W]` of unit spread."""
    y, x = (np.fft.fftfreq(size) for size in HR_SHAPE)
    k = np.hypot(y[:, None], x[: HR_SHAPE[1] // 2 + 1])
    k[0, 0] = np.inf
    waves = np.fft.rfft2(random.normal(size=HR_SHAPE)) * k**-1.5
    field = np.fft.irfft2(waves, HR_SHAPE)
    scaled: FloatField = (field / field.std()).astype(np.float32)
    return scaled


def as_one_file_a_split(root: Path, layout: str) -> Path:
    """Write the dataset of `.npy` files in `root` again, as HDF5 or NetCDF files beside it."""
    copy = root.with_name(f"{root.name}-{layout}")
    copy.mkdir()
    for split in SPLITS:
        levels = {
            level: {"temp": np.stack([np.load(file) for file in sorted(directory.glob("*.npy"))])}
            for level in LEVELS
            for directory in [root / split / level / "temp"]
        }
        WRITERS[layout](copy / f"{split}.{layout}", levels)
    return copy


def open_pairs(root: Path, patch_size: int | None) -> FieldPairs:
    """Return the training split as training opens it."""
    contents = scan(root)
    statistics_ = normalization.statistics(contents, ["temp"], "PGN", steps=8)
    return FieldPairs(
        contents, "train", ["temp"], SCALE, statistics_, patch_size, for_scoring=False
    )


def loaded(
    dataset: Dataset[Any], keys: Sequence[tuple[Key, ...]], put_together: Callable[[Any], Any]
) -> Callable[[], float]:
    """Return what goes through all batches with two workers; it gives the samples per second."""
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_sampler=keys,  # type: ignore[arg-type]
        num_workers=WORKERS,
        persistent_workers=True,
        collate_fn=put_together,
    )

    def run() -> float:
        started = time.perf_counter()
        count = sum(len(batch["hr"]) for batch in loader)
        return count / (time.perf_counter() - started)

    return run


def throughput(root: Path, files: Path) -> Iterator[tuple[str, float, float]]:
    """Yield name, samples per second of the plain copy, and of the loader.

    Args:
        root: the dataset that is loaded.
        files: the same as `.npy` files, for the plain copy.
    """
    for name, patch_size, times in (("whole fields", None, 2), ("patches of 256", 256, 12)):
        pairs = open_pairs(root, patch_size)
        order = np.random.default_rng(1).permutation(np.tile(np.arange(len(pairs)), times))
        keys = [
            tuple(Key(int(index), patch_seed=place) for index in order[place : place + BATCH])
            for place in range(0, len(order), BATCH)
        ]
        runs = [
            loaded(PlainCopy(pairs, files), keys, default_collate),
            loaded(pairs, keys, as_it_is),
        ]
        for run in runs:
            run()  # workers start, files come into the system's cache
        rounds = [[run() for run in runs] for _ in range(ROUNDS)]
        plain, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
        yield name, plain, ours


def waiting(root: Path, run_dir: Path) -> tuple[float, float]:
    """Train on patches; return the median seconds of a step and the share of the time waited."""
    settings = {"batch_size": STEP_BATCH, "patch_size": STEP_PATCH}
    run = frozen(cpu_run(data_of(root), run_dir, "EDSR", NETWORK, **settings))
    contents = contents_for(run)
    found = normalization.statistics(contents, run.data.variables, "PGN", steps=8)
    training = set_up(run, contents, found, Place(0, 1, torch.device("cpu")))
    steps = epoch_steps(training)
    batches = Stopwatch(training.batches("train", micro_batches_of(steps)))
    set_learning_rate(training)
    training.objective.train()
    seconds = []
    for step in steps:
        started = time.perf_counter()
        optimizer_step(training, step, batches)
        seconds.append(time.perf_counter() - started)
    # The first step makes what all others find.
    return statistics.median(seconds[1:]), sum(batches.seconds[1:]) / sum(seconds[1:])


class Stopwatch(Iterator[dict[str, Any]]):
    """Batches, and how long each of them was waited for."""

    def __init__(self, batches: Iterator[dict[str, Any]]) -> None:
        self.seconds: list[float] = []
        self._batches = batches

    def __next__(self) -> dict[str, Any]:
        started = time.perf_counter()
        batch = next(self._batches)
        self.seconds.append(time.perf_counter() - started)
        return batch


def resident_bytes(root: Path) -> int:
    """Go once through the training split in a process of its own; return its largest memory."""
    command = [sys.executable, "-m", "bench.loader", "--walk", str(root)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def walk(root: Path) -> int:
    """Go through the training split once; return the largest resident set, workers included."""
    pairs = open_pairs(root, None)
    keys = [
        tuple(Key(index) for index in range(place, min(place + BATCH, len(pairs))))
        for place in range(0, len(pairs), BATCH)
    ]
    loader: DataLoader[Any] = DataLoader(
        pairs,
        batch_sampler=keys,  # type: ignore[arg-type]
        num_workers=WORKERS,
        collate_fn=as_it_is,
    )
    process, largest = psutil.Process(), 0
    for _batch in loader:
        parts = [process, *process.children()]
        largest = max(largest, sum(part.memory_full_info().pss for part in parts))
    return largest


def main(arguments: Sequence[str] = ()) -> None:
    """Print a ratio for each kind of window, and the growth of memory."""
    parser = argparse.ArgumentParser(prog="python -m bench.loader", description=__doc__)
    parser.add_argument("--walk", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.walk:
        torch.set_num_threads(1)
        print(walk(chosen.walk))
        return
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for part, steps in (("short", 50), ("middle", STEPS), ("long", 1000)):
            write_dataset(root / part, steps)
        files = root / "middle"
        roots = {"npy": files} | {kind: as_one_file_a_split(files, kind) for kind in WRITERS}
        torch.set_num_threads(1)
        print("| files | windows | plain copy, samples/s | loader, samples/s | ratio | goal |")
        print("| --- | --- | --- | --- | --- | --- |")
        for kind, place in roots.items():
            for windows, plain, ours in throughput(place, files):
                print(
                    f"| {kind} | {windows} | {plain:.0f} | {ours:.0f} | {ours / plain:.2f} "
                    f"| >= {LEAST_RATIO} |",
                    flush=True,
                )
        torch.set_num_threads(threads)
        print("\n| files | a step, s | of which it waits for data |")
        print("| --- | --- | --- |")
        for kind, place in roots.items():
            step, share = waiting(place, root / f"run-{kind}")
            print(f"| {kind} | {step:.3f} | {share:.1%} |", flush=True)
        few, many = (resident_bytes(root / part) for part in ("short", "long"))
        print(
            f"memory: {few / 2**20:.0f} MiB for 50 steps, {many / 2**20:.0f} MiB for 1000: "
            f"{many / few - 1:+.1%} (goal: below {LARGEST_GROWTH:+.0%})"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
