"""The method that a network starts from, for all variables of a run, and what the network sees.

A prediction is skip(LR) in physical units plus the network times the spread of what the skip
misses: an untrained network, which says 0, is that method.

How far the network is shown where on the map it is follows from the same evidence. Where the
validation split trusts the climatology, LR is normalized with the statistics of each grid point,
and its level (the mean over the field) is kept, within the range of the training split. Where it
does not, as in a record that drifts, the statistics are those of the variable and the level is
taken off: a network would else learn the training steps by their level.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from srwizard.data.baselines.filters import Field
from srwizard.data.baselines.methods import Baseline
from srwizard.data.fields import cut
from srwizard.data.normalization import Statistics

WHOLE = slice(None)


@dataclass(frozen=True)
class Skip:
    """One method for each variable.

    Args:
        methods: of each channel.
        spread: `[C, H, W]` or `[C, 1, 1]` in physical units, of what they miss.
        levels: `[C, 2]`, the range of the levels of the training split.
    """

    methods: Sequence[Baseline]
    spread: Field
    levels: Field

    def __call__(self, lr: Field, rows: slice = WHOLE, columns: slice = WHOLE) -> Field:
        """Return what the methods make of `lr` `[C, h, w]`, the whole field, in an LR window.

        Returns:
            `[C, H, W]` of the window, in physical units, without gaps.
        """
        parts = [
            method(channel, rows, columns) for method, channel in zip(self.methods, lr, strict=True)
        ]
        return parts[0][None] if len(parts) == 1 else np.stack(parts)

    def on(self, *, periodic: bool) -> "Skip":
        """Return the same for fields that go round the globe, or do not."""
        return replace(self, methods=[method.on(periodic=periodic) for method in self.methods])

    @property
    def fixed_to_the_grid(self) -> bool:
        """Whether a method holds a climatology, which is that of one grid."""
        return any(method.choice.weight for method in self.methods)

    def crop(self, rows: slice, columns: slice) -> Field:
        """Return the spread in an HR window."""
        if self.spread.shape[-2:] == (1, 1):
            return self.spread
        return cut(self.spread, rows, columns)

    def normalized(self, lr: Field, mean: Field, std: Field) -> Field:
        """Return what the network sees of `lr` `[C, h, w]`, the whole field, NaN in its gaps.

        Args:
            lr: in physical units.
            mean, std: of LR, `[C, h, w]` or `[C, 1, 1]`, from `shrunk`.
        """
        anomaly = lr - mean
        weight = shares(self.methods)
        level = level_of(anomaly)[:, None, None]
        low, high = (self.levels[:, end, None, None] for end in (0, 1))
        known = np.clip(level, low, high)
        result: Field = (anomaly - (level - weight * known)) / std
        return result


def shares(methods: Sequence[Baseline]) -> Field:
    """Return how much of the climatology each method takes, `[C, 1, 1]`."""
    return np.array([method.choice.weight for method in methods], np.float32)[:, None, None]


def level_of(field: Field) -> Field:
    """Return the mean of `[C, h, w]` over the points with a value, `[C]`; 0 where there is none."""
    valid = np.isfinite(field)
    total = np.where(valid, field, 0.0).sum(axis=(-2, -1), dtype=np.float64)
    result: Field = (total / np.maximum(valid.sum(axis=(-2, -1)), 1)).astype(np.float32)
    return result


def shrunk(statistics: Statistics, weight: Field) -> Statistics:
    """Draw the statistics of each grid point to those of the variable.

    Args:
        statistics: of LR, per point or per variable.
        weight: `[C, 1, 1]`: 1 leaves them as they are, 0 makes them those of the variable.
    """
    if statistics.mean.shape[-2:] == (1, 1):
        return statistics
    count = np.maximum(statistics.observed.sum(axis=(1, 2), keepdims=True), 1)

    def over_points(field: Field) -> Field:
        found: Field = (statistics.observed * field).sum(axis=(1, 2), keepdims=True) / count
        return found

    mean = over_points(statistics.mean)
    variance = over_points(statistics.std**2 + (statistics.mean - mean) ** 2)
    return replace(
        statistics,
        mean=weight * statistics.mean + (1 - weight) * mean,
        std=np.sqrt(weight * statistics.std**2 + (1 - weight) * variance),
    )
