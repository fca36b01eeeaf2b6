"""Normalization from the training split: per grid point (PGN) or per variable (GN).

One pass with Welford's update in float64 (B. P. Welford, Technometrics 4, 1962; the merge over
grid points is Chan, Golub & LeVeque, 1983). Points without a value do not count.
"""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from srwizard.base import files
from srwizard.data.fields import Field, FloatField
from srwizard.data.inspect import spread
from srwizard.data.layout import LEVELS, Contents

Method = Literal["PGN", "GN"]
NAMES = ("mean", "std", "minimum", "maximum", "observed")
RARE_STEPS = 3
"""A point seen in fewer steps has no spread of its own to speak of."""
SMALLEST_SPREAD = 1e-3
"""No point is divided by less than this share of its variable's standard deviation."""


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
    method: Method,
    *,
    steps: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Statistics]:
    """Compute the statistics of the training split, separately for HR and LR.

    Args:
        contents: the dataset.
        variables: the channels, in order.
        method: "PGN" or "GN".
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

    channels: dict[str, list[tuple[npt.NDArray[np.float64], ...]]] = {"hr": [], "lr": []}
    for level, found in fields:
        channels[level].append(_channel(found, method, steps, step_read))
    return {
        level: Statistics(*(np.stack(part).astype(np.float32) for part in zip(*found, strict=True)))
        for level, found in channels.items()
    }


def _channel(
    found: Field, method: Method, steps: int | None, step_read: Callable[[], None]
) -> tuple[npt.NDArray[np.float64], ...]:
    """Return mean and std (`[H, W]` or `[1, 1]`), the range (scalars) and `observed` `[H, W]`."""
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
    overall_mean, overall_std = _merge(count, mean, squares)
    rest = np.array(lowest), np.array(highest), (count > 0).astype(np.float64)
    if method == "GN":
        return np.full((1, 1), overall_mean), np.full((1, 1), overall_std), *rest
    return *_per_point(count, mean, squares, overall_mean, overall_std), *rest


def _merge(
    count: npt.NDArray[np.int64],
    mean: npt.NDArray[np.float64],
    squares: npt.NDArray[np.float64],
) -> tuple[float, float]:
    """Merge the moments of all points into the mean and standard deviation of the variable."""
    total = int(count.sum())
    if total == 0:
        return 0.0, 1.0
    overall = float((count * mean).sum() / total)
    spread_between = float((count * (mean - overall) ** 2).sum())
    std = float(np.sqrt((squares.sum() + spread_between) / total))
    return overall, std if std > 0 else 1.0


def _per_point(
    count: npt.NDArray[np.int64],
    mean: npt.NDArray[np.float64],
    squares: npt.NDArray[np.float64],
    overall_mean: float,
    overall_std: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return per-point mean and std, safe where there is land, few values or no spread."""
    std = np.sqrt(squares / np.maximum(count, 1))
    rare = count < RARE_STEPS
    typical = float(np.median(std[~rare])) if (~rare).any() else overall_std
    std = np.where(rare, typical, std)
    std = np.maximum(std, SMALLEST_SPREAD * overall_std)
    return np.where(count > 0, mean, overall_mean), std


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
