"""Normalization from the training split.

One pass with Welford's update in float64 (B. P. Welford, Technometrics 4, 1962; the merge over
grid points is Chan, Golub & LeVeque, 1983). Points without a value do not count.

A normalization is a function `Moments -> (mean, spread)`, each `[H, W]` or `[1, 1]`, with an entry
in `NORMALIZATIONS` of `normalization_methods.py`.
"""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from srwizard.base import files
from srwizard.base.choices import method_named
from srwizard.base.special_files import require_file
from srwizard.data.fields import FloatField, cut
from srwizard.data.layout import LEVELS, Contents
from srwizard.data.normalization_methods import NORMALIZATIONS
from srwizard.data.sampling import spread

Array = npt.NDArray[np.float64]
FILE_NAME = "normalization.npz"
NAMES = ("mean", "std", "minimum", "maximum", "observed")
RARE_STEPS = 3
"""A point seen in fewer steps has no spread of its own to speak of."""
SMALLEST_SPREAD = 1e-3
"""No point is divided by less than this share of its variable's standard deviation."""
ROUNDING = 1e-12
"""A standard deviation below that share of the mean is what rounding has made of none."""


@dataclass(frozen=True)
class Moments:
    """What one pass over a variable's training split gives.

    `count`, `mean` and `squares` (the sum of squared deviations from the mean) are `[H, W]`, of
    each grid point; the others are scalars, of the whole variable.
    """

    count: npt.NDArray[np.int64]
    mean: Array
    squares: Array
    overall_mean: float
    overall_std: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Statistics:
    """What turns physical values into normalized ones at one level, and back.

    `mean` and `std` are `[C, H, W]` for PGN and `[C, 1, 1]` for GN; `minimum` and `maximum` are
    `[C]`, the range of the training split; `observed` is `[C, H, W]`, 1 where a point has a value
    in some step and 0 on land.
    """

    mean: FloatField
    std: FloatField
    minimum: FloatField
    maximum: FloatField
    observed: FloatField

    def crop(self, rows: slice, columns: slice) -> tuple[FloatField, FloatField]:
        """Return mean and std for a window of the field."""
        if self.mean.shape[-2:] == (1, 1):
            return self.mean, self.std
        return cut(self.mean, rows, columns), cut(self.std, rows, columns)


def statistics(
    contents: Contents,
    variables: Sequence[str],
    method: str,
    *,
    steps: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Statistics]:
    """Compute the statistics of the training split, separately for HR and LR.

    Args:
        contents: the dataset.
        variables: the channels, in order.
        method: a name in `NORMALIZATIONS`.
        steps: use only so many, spread over the split (a dry run needs shapes, not values).
        progress: called with steps read and steps in all.

    Raises:
        OSError: a file cannot be read.
    """
    fields = [
        (level, contents.fields["train", level, name]) for level in LEVELS for name in variables
    ]
    total = sum(len(spread(len(found.steps), steps or len(found.steps))) for _, found in fields)
    done = 0

    def step_read() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    channels: dict[str, list[tuple[Array, ...]]] = {"hr": [], "lr": []}
    for level, found in fields:
        moments = RunningMoments(found.shape)
        for index in spread(len(found.steps), steps or len(found.steps)):
            moments.add(found.read(index))
            step_read()
        channels[level].append(channel_of(moments.result(), method))
    return {level: stacked(found) for level, found in channels.items()}


def channel_of(moments: Moments, method: str) -> tuple[Array, ...]:
    """Return mean and std (`[H, W]` or `[1, 1]`), the range (scalars) and `observed` `[H, W]`."""
    normalize = method_named(NORMALIZATIONS, method).function()
    return (
        *normalize(moments),
        np.array(moments.lowest),
        np.array(moments.highest),
        (moments.count > 0).astype(float),
    )


def stacked(channels: Sequence[tuple[Array, ...]]) -> Statistics:
    """Return the statistics of several channels, from `channel_of` each."""
    return Statistics(*(np.stack(part).astype(np.float32) for part in zip(*channels, strict=True)))


def of_each_point(moments: Moments) -> tuple[Array, Array]:
    """Return mean and std `[H, W]`, safe where there is land, few values or no spread."""
    std = np.sqrt(moments.squares / np.maximum(moments.count, 1))
    rare = moments.count < RARE_STEPS
    typical = float(np.median(std[~rare])) if (~rare).any() else moments.overall_std
    std = np.where(rare, typical, std)
    std = np.maximum(std, SMALLEST_SPREAD * moments.overall_std)
    return np.where(moments.count > 0, moments.mean, moments.overall_mean), std


def of_the_variable(moments: Moments) -> tuple[Array, Array]:
    """Return mean and std `[1, 1]` of the whole variable."""
    return np.full((1, 1), moments.overall_mean), np.full((1, 1), moments.overall_std)


class RunningMoments:
    """Mean, spread and range of a field, taken while its steps go by."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.count = np.zeros(shape, dtype=np.int64)
        self.mean = np.zeros(shape)
        self.squares = np.zeros(shape)
        self.lowest, self.highest = np.inf, -np.inf

    def add(self, step: FloatField) -> None:
        """Take in one step `[H, W]`, NaN where there is no value."""
        values = step.astype(np.float64)
        valid = np.isfinite(values)
        self.count += valid
        delta = np.where(valid, values - self.mean, 0.0)
        self.mean += delta / np.maximum(self.count, 1)
        self.squares += delta * np.where(valid, values - self.mean, 0.0)
        self.lowest = float(values.min(initial=self.lowest, where=valid))
        self.highest = float(values.max(initial=self.highest, where=valid))

    def result(self) -> Moments:
        """Return what the steps gone by give."""
        overall = _merge(self.count, self.mean, self.squares)
        return Moments(self.count, self.mean, self.squares, *overall, self.lowest, self.highest)


def _merge(count: npt.NDArray[np.int64], mean: Array, squares: Array) -> tuple[float, float]:
    """Merge the moments of all points into the mean and standard deviation of the variable."""
    total = int(count.sum())
    if total == 0:
        return 0.0, 1.0
    overall = float((count * mean).sum() / total)
    spread_between = float((count * (mean - overall) ** 2).sum())
    std = float(np.sqrt((squares.sum() + spread_between) / total))
    least = max(ROUNDING * abs(overall), float(np.finfo(np.float32).tiny) / SMALLEST_SPREAD)
    return overall, std if std > least else 1.0


def save(path: Path, computed: dict[str, Statistics], key: str) -> None:
    """Write the statistics of both levels; `key` tells which dataset and method they are of."""
    arrays = {
        f"{level}_{name}": getattr(found, name)
        for level, found in computed.items()
        for name in NAMES
    }
    files.write_with(path, lambda stream: np.savez(stream, key=np.array(key), **arrays))


def load(path: Path, key: str) -> dict[str, Statistics] | None:
    """Read statistics back, or return None where there are none for `key`."""
    try:
        with np.load(require_file(path), allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            return {
                level: Statistics(*(stored[f"{level}_{name}"] for name in NAMES))
                for level in LEVELS
            }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
