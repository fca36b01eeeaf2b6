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
from srwizard.data.fields import Field, FloatField
from srwizard.data.inspect import spread
from srwizard.data.layout import LEVELS, Contents
from srwizard.data.normalization_methods import NORMALIZATIONS

Array = npt.NDArray[np.float64]
NAMES = ("mean", "std", "minimum", "maximum", "observed")
RARE_STEPS = 3
"""A point seen in fewer steps has no spread of its own to speak of."""
SMALLEST_SPREAD = 1e-3
"""No point is divided by less than this share of its variable's standard deviation."""


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
        return self.mean[:, rows, columns], self.std[:, rows, columns]


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
    normalize = method_named(NORMALIZATIONS, method).function()
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
        moments = _moments(found, steps, step_read)
        rest = (
            np.array(moments.lowest),
            np.array(moments.highest),
            (moments.count > 0).astype(float),
        )
        channels[level].append((*normalize(moments), *rest))
    return {
        level: Statistics(*(np.stack(part).astype(np.float32) for part in zip(*found, strict=True)))
        for level, found in channels.items()
    }


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


def _moments(found: Field, steps: int | None, step_read: Callable[[], None]) -> Moments:
    """Go through the steps of a variable once."""
    count = np.zeros(found.shape, dtype=np.int64)
    mean = np.zeros(found.shape)
    squares = np.zeros(found.shape)
    lowest, highest = np.inf, -np.inf
    for index in spread(len(found.steps), steps or len(found.steps)):
        values = found.read(index).astype(np.float64)
        valid = np.isfinite(values)
        count += valid
        delta = np.where(valid, values - mean, 0.0)
        mean += delta / np.maximum(count, 1)
        squares += delta * np.where(valid, values - mean, 0.0)
        if valid.any():
            lowest = min(lowest, float(values[valid].min()))
            highest = max(highest, float(values[valid].max()))
        step_read()
    return Moments(count, mean, squares, *_merge(count, mean, squares), lowest, highest)


def _merge(count: npt.NDArray[np.int64], mean: Array, squares: Array) -> tuple[float, float]:
    """Merge the moments of all points into the mean and standard deviation of the variable."""
    total = int(count.sum())
    if total == 0:
        return 0.0, 1.0
    overall = float((count * mean).sum() / total)
    spread_between = float((count * (mean - overall) ** 2).sum())
    std = float(np.sqrt((squares.sum() + spread_between) / total))
    return overall, std if std > 0 else 1.0


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
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["key"]) != key:
                return None
            return {
                level: Statistics(*(stored[f"{level}_{name}"] for name in NAMES))
                for level in LEVELS
            }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
