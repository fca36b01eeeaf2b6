"""What the simple methods learn of a training split, in one pass over it.

The same pass takes the statistics that normalization needs. Memory does not grow with the length
of the record.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from srwizard.data.baselines.choice import STANDARD, Choice
from srwizard.data.baselines.filters import Field, Kernel, bicubic_kernel
from srwizard.data.baselines.learnt import ready
from srwizard.data.baselines.methods import Baseline
from srwizard.data.baselines.moments import Moments, merged
from srwizard.data.baselines.skip import level_of
from srwizard.data.gaps import NearestFill
from srwizard.data.grid import goes_round
from srwizard.data.layout import Contents
from srwizard.data.normalization import RunningMoments, Statistics
from srwizard.data.sampling import spread

LEAST_STEPS = 3
"""Of fewer there is no climatology, and no filter, worth the name."""
SHARES = (0.25, 0.5, 0.75)
"""How much of the climatology may be trusted besides all of it and none."""
MOST_STEPS = 1000
"""Of a longer record so many steps are read, spread over it: they tell as much."""
MOST_STEPS_SCORED = 50
QUARTERS = 4
FEWEST_OF_A_QUARTER = 2
"""A quarter of fewer steps says nothing about how much more of them would help."""
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
        partial: the linear filters of a quarter and of half of the steps, and how many these are.
    """

    steps: int
    moments: Moments
    lr: RunningMoments
    hr: RunningMoments
    partial: Sequence[tuple[int, Kernel]] = ()

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The methods that can be told apart on so many steps."""
        if self.steps < LEAST_STEPS:
            return STANDARD[:1]
        parts = [
            Choice(choice.method, share) for share in SHARES for choice in STANDARD if choice.weight
        ]
        return (*STANDARD, *parts)

    @property
    def has_read_all(self) -> bool:
        """Whether the moments are those of every step, and not of some of a long record."""
        return self.steps <= MOST_STEPS

    @property
    def lr_mean(self) -> Field:
        """The climatology of LR `[h, w]`, no gaps."""
        return NearestFill(periodic=self.moments.periodic)(_mean_or_gap(self.lr))

    @property
    def hr_mean(self) -> Field:
        """The climatology of HR `[H, W]`, NaN where it was never observed."""
        return _mean_or_gap(self.hr)

    def kernel(self, choice: Choice) -> Kernel:
        """Return the filter of a method."""
        if choice.filter == "bicubic":
            return bicubic_kernel(self.moments.scale)
        return self.moments.kernel(choice.weight, self.lr_mean, self.hr_mean)

    def baseline(self, choice: Choice) -> Baseline:
        """Make a method ready."""
        kernel, periodic = self.kernel(choice), self.moments.periodic
        return ready(choice, kernel, self.lr_mean, self.hr_mean, periodic=periodic)


def fit(
    contents: Contents, variable: str, scale: int, progress: Progress = lambda _done, _total: None
) -> Fitted:
    """Go through the training split of one variable.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    low, high = (contents.fields["train", level, variable] for level in ("lr", "hr"))
    periodic = goes_round(contents, high.shape)
    parts = [Moments.of(low.shape, scale, periodic=periodic) for _part in range(QUARTERS)]
    lr_points, hr_points = RunningMoments(low.shape), RunningMoments(high.shape)
    fill = NearestFill(periodic=periodic)
    chosen = spread(len(low.steps), MOST_STEPS)
    for done, index in enumerate(chosen, start=1):
        lr, hr = low.read(index), high.read(index)
        lr_points.add(lr)
        hr_points.add(hr)
        parts[(done - 1) % QUARTERS].add(fill(lr), hr, np.isfinite(lr))
        progress(done, len(chosen))
    found = Fitted(len(low.steps), merged(parts), lr_points, hr_points)
    if len(chosen) < QUARTERS * FEWEST_OF_A_QUARTER:
        return found
    partial = []
    for taken in ((0,), (0, 2)):  # every fourth step, every other one
        some = merged([parts[place] for place in taken])
        steps = sum(len(chosen[place::QUARTERS]) for place in taken)
        partial.append((steps, some.kernel(0.0, found.lr_mean, found.hr_mean)))
    return replace(found, partial=partial)


def _mean_or_gap(points: RunningMoments) -> Field:
    """Return the mean of each point `[H, W]`, NaN where it was never observed."""
    return np.where(points.count > 0, points.mean, np.nan).astype(np.float32)


def missed(
    contents: Contents,
    variable: str,
    baseline: Baseline,
    statistics: Statistics,
    *,
    per_point: bool,
    progress: Progress = lambda _done, _total: None,
) -> tuple[Field, Field]:
    """Measure on the training split how much a method misses, and the levels of LR.

    Args:
        contents: the dataset.
        variable: which.
        baseline: the method.
        statistics: of LR, of this variable alone, as the network's input is normalized with.
        per_point: for each grid point, drawn to that of the variable where it was seen in few
            steps; else one for all.
        progress: see `Progress`.

    Returns:
        The spread of HR - method, `[H, W]` or `[1, 1]`, never 0: where a method misses nothing it
        is 1; and the range `[2]` of the mean over the field of LR - its statistical mean.
    """
    low, high = (contents.fields["train", level, variable] for level in ("lr", "hr"))
    squares, count = np.zeros(high.shape), np.zeros(high.shape)
    levels = []
    chosen = spread(len(low.steps), MOST_STEPS_SCORED)
    for done, index in enumerate(chosen, start=1):
        lr = low.read(index)
        found = high.read(index) - baseline(lr)
        valid = np.isfinite(found)
        squares += np.where(valid, found, 0.0).astype(np.float64) ** 2
        count += valid
        levels.append(level_of(lr[None] - statistics.mean)[0])
        progress(done, len(chosen))
    span = np.array([min(levels), max(levels)], dtype=np.float32)
    overall = float(squares.sum() / max(count.sum(), 1)) or 1.0
    if not per_point:
        return np.full((1, 1), np.sqrt(overall), dtype=np.float32), span
    variance = (squares + PRIOR_STEPS * overall) / (count + PRIOR_STEPS)
    found = np.sqrt(np.maximum(variance, SMALLEST_SPREAD**2 * overall))
    return found.astype(np.float32), span
