"""What was learnt of the simple methods, as it is kept beside a run: `baselines.npz`."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from srwizard.base import files
from srwizard.base.special_files import require_file
from srwizard.data.baselines.choice import STANDARD, Choice, Method
from srwizard.data.baselines.filters import Field, Kernel, bicubic_kernel, enlarge
from srwizard.data.baselines.methods import Baseline
from srwizard.data.baselines.skip import Skip

FILE_NAME = "baselines.npz"
ARRAYS = ("lr_mean", "hr_mean", "linear", "anomaly", "skip", "spread", "levels")


@dataclass(frozen=True)
class Learnt:
    """The simple methods of one variable.

    Args:
        lr_mean: `[h, w]`, the climatology of LR, no gaps.
        hr_mean: `[H, W]`, that of HR, NaN where it was never observed.
        linear, anomaly: the least-squares filters `[scale², TAPS]` of fields and of anomalies.
        skip: the filter of the method that the network starts from.
        spread: `[H, W]` or `[1, 1]`, of what that method misses.
        levels: `[2]`, the range of the mean over the field of LR, from its statistics on.
        choice: which method that is.
        periodic: whether the grid goes round the globe.
    """

    lr_mean: Field
    hr_mean: Field
    linear: Kernel
    anomaly: Kernel
    skip: Kernel
    spread: Field
    levels: Field
    choice: Choice
    periodic: bool = False

    def standard(self) -> dict[Method, Baseline]:
        """Return the methods as they are known, ready to be applied."""
        return {choice.method: self._ready(choice, self._kernel(choice)) for choice in STANDARD}

    def chosen(self) -> Baseline:
        """Return the method that the network starts from."""
        return self._ready(self.choice, self.skip)

    def _kernel(self, choice: Choice) -> Kernel:
        if choice.filter == "bicubic":
            return bicubic_kernel(self.hr_mean.shape[0] // self.lr_mean.shape[0])
        return self.anomaly if choice.weight else self.linear

    def _ready(self, choice: Choice, kernel: Kernel) -> Baseline:
        return ready(choice, kernel, self.lr_mean, self.hr_mean, periodic=self.periodic)


def ready(
    choice: Choice, kernel: Kernel, lr_mean: Field, hr_mean: Field, *, periodic: bool = False
) -> Baseline:
    """Make a method ready; where HR was never observed its climatology is the filtered LR one."""
    observed = np.isfinite(hr_mean)
    filled = hr_mean
    if not observed.all():
        filled = np.where(observed, hr_mean, enlarge(kernel, lr_mean, periodic=periodic))
    return Baseline(choice, kernel, lr_mean, filled, periodic=periodic)


def skip_of(learnt: Sequence[Learnt]) -> Skip:
    """Return the methods that a network of several variables starts from."""
    return Skip(
        [one.chosen() for one in learnt],
        np.stack([one.spread for one in learnt]),
        np.stack([one.levels for one in learnt]),
    )


def imagined(shape: tuple[int, int], scale: int, choice: Choice, *, per_point: bool) -> Learnt:
    """Return methods of the right shapes that nothing was learnt for: to measure memory with."""
    height, width = shape
    fine = (height * scale, width * scale)
    kernel = bicubic_kernel(scale)
    return Learnt(
        np.zeros(shape, np.float32),
        np.zeros(fine, np.float32),
        kernel,
        kernel,
        kernel,
        np.ones(fine if per_point else (1, 1), np.float32),
        np.zeros(2, np.float32),
        choice,
    )


def save(path: Path, learnt: Mapping[str, Learnt], key: str) -> None:
    """Write what was learnt; `key` tells which dataset and settings it is of.

    Raises:
        OSError: it cannot be written.
    """
    arrays = {
        f"{number}_{name}": getattr(one, name)
        for number, one in enumerate(learnt.values())
        for name in ARRAYS
    }
    names = np.array(list(learnt))
    methods = np.array([one.choice.method for one in learnt.values()])
    weights = np.array([one.choice.weight for one in learnt.values()])
    periodic = np.array([one.periodic for one in learnt.values()])
    files.write_with(
        path,
        lambda stream: np.savez(
            stream,
            key=np.array(key),
            names=names,
            methods=methods,
            weights=weights,
            periodic=periodic,
            **arrays,
        ),
    )


def load(path: Path, key: str) -> dict[str, Learnt] | None:
    """Read it back, or return None where there is none for `key`."""
    try:
        with np.load(require_file(path), allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            known: dict[str, Method] = {choice.method: choice.method for choice in STANDARD}
            return {
                str(name): Learnt(
                    **{part: stored[f"{number}_{part}"] for part in ARRAYS},
                    choice=Choice(known[str(method)], float(weight)),
                    # Of runs before grids were looked at for a seam: False.
                    periodic="periodic" in stored and bool(stored["periodic"][number]),
                )
                for number, (name, method, weight) in enumerate(
                    zip(stored["names"], stored["methods"], stored["weights"], strict=True)
                )
            }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
