"""Throughput of the loader against a plain memory-mapped copy: `python -m bench.loader`.

A dataset of HR [680, 1440] and LR [170, 360] is generated, with red spectra and land. The
reference reads the same windows of the same files in the same order, also with two workers, and
does nothing else to them; both are timed in turns, medians of several rounds. Then the resident
memory of a run that goes through 50 steps is held against one that goes through 1000.
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
from torch.utils.data import DataLoader, Dataset

from srwizard.data import normalization
from srwizard.data.fields import FloatField
from srwizard.data.layout import LEVELS, scan
from srwizard.data.samples import FieldPairs, Key

HR_SHAPE, SCALE = (680, 1440), 4
STEPS = 64
BATCH, WORKERS, ROUNDS = 8, 2, 7
LEAST_RATIO = 0.7
LARGEST_GROWTH = 0.05


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


def open_pairs(root: Path, patch_size: int | None) -> FieldPairs:
    """Return the training split as training opens it."""
    contents = scan(root)
    statistics_ = normalization.statistics(contents, ["temp"], "PGN", steps=8)
    return FieldPairs(contents, "train", ["temp"], SCALE, statistics_, patch_size)


def loaded(dataset: Dataset[Any], keys: Sequence[tuple[Key, ...]]) -> Callable[[], float]:
    """Return what goes through all batches with two workers; it gives the samples per second."""
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_sampler=keys,  # type: ignore[arg-type]
        num_workers=WORKERS,
        persistent_workers=True,
    )

    def run() -> float:
        started = time.perf_counter()
        count = sum(len(batch["hr"]) for batch in loader)
        return count / (time.perf_counter() - started)

    return run


def throughput(root: Path) -> Iterator[tuple[str, float, float]]:
    """Yield name, samples per second of the plain copy, and of the loader."""
    for name, patch_size, times in (("whole fields", None, 2), ("patches of 256", 256, 12)):
        pairs = open_pairs(root, patch_size)
        order = np.random.default_rng(1).permutation(np.tile(np.arange(len(pairs)), times))
        keys = [
            tuple(Key(int(index), patch_seed=place) for index in order[place : place + BATCH])
            for place in range(0, len(order), BATCH)
        ]
        runs = [loaded(PlainCopy(pairs, root), keys), loaded(pairs, keys)]
        for run in runs:
            run()  # workers start, files come into the system's cache
        rounds = [[run() for run in runs] for _ in range(ROUNDS)]
        plain, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
        yield name, plain, ours


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
    torch.set_num_threads(1)
    if chosen.walk:
        print(walk(chosen.walk))
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_dataset(root / "short", 50)
        write_dataset(root / "middle", STEPS)
        write_dataset(root / "long", 1000)
        print("| windows | plain copy, samples/s | loader, samples/s | ratio | goal |")
        print("| --- | --- | --- | --- | --- |")
        for windows, plain, ours in throughput(root / "middle"):
            goal = f">= {LEAST_RATIO}"
            print(f"| {windows} | {plain:.0f} | {ours:.0f} | {ours / plain:.2f} | {goal} |")
        few, many = (resident_bytes(root / part) for part in ("short", "long"))
        print(
            f"memory: {few / 2**20:.0f} MiB for 50 steps, {many / 2**20:.0f} MiB for 1000: "
            f"{many / few - 1:+.1%} (goal: below {LARGEST_GROWTH:+.0%})"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
