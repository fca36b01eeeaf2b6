"""Statistics of the HR fields of a split, joined field by field in the order of time."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srwizard.data.fields import FloatField

LARGEST_SQUARED = 1e15
"""Squares of more than this, as of fill values, or sums of them, may be too large for float32."""


@dataclass(frozen=True, slots=True)  # there is one for each step
class FieldStatistics:
    """Of the values of one field or of several: NaN does not count.

    Args:
        cells: all cells, with and without a value.
        count: cells with a value.
        mean: of the values; 0 where there is none.
        squares: sum of the squared departures from the mean.
        low, high: the least and the greatest value.
    """

    cells: int = 0
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    @classmethod
    def of(cls, field: FloatField, missing: npt.NDArray[np.bool_]) -> "FieldStatistics":
        """Return those of a field `[H, W]`, or of a band of its rows, and where it has no value.

        Infinite values are seen in `low` and `high`; then the others mean nothing.
        """
        count = field.size - int(np.count_nonzero(missing))
        if not count:
            return cls(cells=field.size)
        low, high = float(np.fmin.reduce(field, axis=None)), float(np.fmax.reduce(field, axis=None))
        # Of departures from a value in their midst float32 loses no more than of the values.
        middle = np.float32(low + (high - low) / 2)
        departures = field - (np.float64(middle) if high - low > LARGEST_SQUARED else middle)
        if count < field.size:
            np.copyto(departures, np.float32(0), where=missing)
        # Adding up in float64 from the start takes thrice the time; a row loses nothing by float32.
        total = float(departures.sum(axis=1).sum(dtype=np.float64))
        squares = np.einsum("ij,ij->i", departures, departures).sum(dtype=np.float64)
        return cls(
            cells=field.size,
            count=count,
            mean=float(middle) + total / count,
            squares=max(0.0, float(squares) - total**2 / count),
            low=low,
            high=high,
        )

    def apart_from(self, other: "FieldStatistics") -> bool:
        """Return whether more lies between the values of both than either of them reaches."""
        between = max(self.low - other.high, other.low - self.high)
        reach = min(self.high - self.low, other.high - other.low)
        return reach > 0 and between > max(self.high - self.low, other.high - other.low)

    def joined(self, other: "FieldStatistics") -> "FieldStatistics":
        """Return those of both together (Chan, Golub and LeVeque, Am. Stat. 37, 1983)."""
        count = self.count + other.count
        if not count:
            return FieldStatistics(cells=self.cells + other.cells)
        apart = other.mean - self.mean
        return FieldStatistics(
            cells=self.cells + other.cells,
            count=count,
            mean=self.mean + apart * other.count / count,
            squares=self.squares + other.squares + apart**2 * self.count * other.count / count,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
        )


@dataclass(frozen=True)
class SplitStatistics:
    """One variable in one split, as the manifest states it.

    Args:
        mean, std, min, max: over all HR values there are, in the units of the dataset.
        observed_share: share of the HR cells of all steps that have a value, 0 to 1.
    """

    mean: float
    std: float
    min: float
    max: float
    observed_share: float

    @classmethod
    def stated(cls, found: FieldStatistics) -> "SplitStatistics":
        """Return what is stated of `found`, which has at least one value."""
        std = math.sqrt(found.squares / found.count)
        return cls(found.mean, std, found.low, found.high, found.count / found.cells)
