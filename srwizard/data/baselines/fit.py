"""What the simple methods learn of a training split, in one pass over it.

The same pass takes the statistics that normalization needs. Memory does not grow with the length
of the record.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from srwizard.data.baselines.filters import Field, bicubic_kernel, enlarge
from srwizard.data.baselines.methods import STANDARD, Baseline, Choice
from srwizard.data.baselines.moments import Moments
from srwizard.data.gaps import NearestFill
from srwizard.data.layout import Contents
from srwizard.data.normalization import PointMoments

LEAST_STEPS = 3
"""Of fewer there is no climatology, and no filter, worth the name."""
SHARES = (0.25, 0.5, 0.75)
"""How much of the climatology may be trusted besides all of it and none."""
PRIOR_STEPS = 8.0
"""A point's own spread counts as much as that of its variable once it was seen so often."""
SMALLEST_SPREAD = 1e-2
"""No point's spread is less than this share of its variable's."""

Progress = Callable[[int, int], None]
"""(steps done, steps in all)"""


@dataclass(frozen=True)
class Fitted:
    """What was learnt of one variable.

    Args:
        steps: of the training split.
        moments: for the linear filter.
        lr, hr: mean and spread of each point.
    """

    steps: int
    moments: Moments
    lr: PointMoments
    hr: PointMoments

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The methods that can be told apart on so many steps."""
        if self.steps < LEAST_STEPS:
            return STANDARD[:1]
        parts = [
            Choice(choice.method, share) for share in SHARES for choice in STANDARD if choice.weight
        ]
        return (*STANDARD, *parts)

    def baseline(self, choice: Choice) -> Baseline:
        """Make a method ready."""
        lr_mean = NearestFill()(_mean_or_gap(self.lr))
        hr_mean = _mean_or_gap(self.hr)
        plain = bicubic_kernel(self.moments.scale)
        kernel = plain
        if choice.filter == "linear":
            kernel = self.moments.kernel(choice.weight, lr_mean, hr_mean)
        hr_mean = np.where(np.isfinite(hr_mean), hr_mean, enlarge(kernel, lr_mean))
        return Baseline(choice, kernel, lr_mean, hr_mean)


def fit(
    contents: Contents, variable: str, scale: int, progress: Progress = lambda _done, _total: None
) -> Fitted:
    """Go through the training split of one variable.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    low, high = (contents.fields["train", level, variable] for level in ("lr", "hr"))
    moments = Moments.of(low.shape, scale)
    lr_points, hr_points = PointMoments(low.shape), PointMoments(high.shape)
    fill = NearestFill()
    for index in range(len(low.steps)):
        lr, hr = low.read(index), high.read(index)
        lr_points.add(lr)
        hr_points.add(hr)
        moments.add(fill(lr), hr, np.isfinite(lr))
        progress(index + 1, len(low.steps))
    return Fitted(len(low.steps), moments, lr_points, hr_points)


def _mean_or_gap(points: PointMoments) -> Field:
    """Return the mean of each point `[H, W]`, NaN where it was never observed."""
    return np.where(points.count > 0, points.mean, np.nan).astype(np.float32)


def missed_spread(
    contents: Contents,
    variable: str,
    baseline: Baseline,
    *,
    per_point: bool,
    progress: Progress = lambda _done, _total: None,
) -> Field:
    """Measure how much a method misses on the training split: the spread of HR - method.

    Args:
        contents: the dataset.
        variable: which.
        baseline: the method.
        per_point: for each grid point, drawn to that of the variable where it was seen in few
            steps; else one for all.
        progress: see `Progress`.

    Returns:
        `[H, W]` or `[1, 1]`, never 0: where a method misses nothing it is 1.
    """
    low, high = (contents.fields["train", level, variable] for level in ("lr", "hr"))
    squares, count = np.zeros(high.shape), np.zeros(high.shape)
    for index in range(len(low.steps)):
        missed = high.read(index) - baseline(low.read(index))
        valid = np.isfinite(missed)
        squares += np.where(valid, missed, 0.0).astype(np.float64) ** 2
        count += valid
        progress(index + 1, len(low.steps))
    overall = float(squares.sum() / max(count.sum(), 1)) or 1.0
    if not per_point:
        return np.full((1, 1), np.sqrt(overall), dtype=np.float32)
    variance = (squares + PRIOR_STEPS * overall) / (count + PRIOR_STEPS)
    return np.sqrt(np.maximum(variance, SMALLEST_SPREAD**2 * overall)).astype(np.float32)
