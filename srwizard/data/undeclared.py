"""Values that look like fill values that the sources do not declare, and land stored as 0."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.data.fields import FloatField

FAR = 3.0
"""A value is far outside where its distance to all others is this many times their range."""
LARGEST_PLAUSIBLE_VALUE = 1e15
"""No ocean field is near; even one such value is a fill value, mostly 1e20 or 9.97e36."""
MOST_NAMED = 4
LEAST_SHARE = 0.005
"""Land of fewer cells is not looked for."""
NATURAL = 0.05
"""A value that other cells have this often is one that the quantity takes, as ice the 0."""
LEAST_GAP = 0.01
"""Of the range of all other values: what is nearer to them is a limit, such as freezing water."""


def far_values(field: FloatField) -> Counter[float]:
    """Return the values that stand far outside all others of `field`, and in how many cells."""
    found: Counter[float] = Counter()
    if hold_together(field, *_ends(field)):  # nearly every field does: it is not looked at closer
        return found
    values = field[~np.isnan(field)]
    while len(found) < MOST_NAMED and values.size and not hold_together(values, *_ends(values)):
        low, high = _ends(values)
        least, most = float(values[values > low].min()), float(values[values < high].max())
        if high - most > FAR * (most - low) > 0:
            apart = high
        elif least - low > FAR * (high - least) > 0:
            apart = low
        else:
            break
        equal = values == np.float32(apart)
        found[apart] = int(equal.sum())
        values = values[~equal]
    return found


def _ends(values: FloatField) -> tuple[float, float]:
    """Return the least and the greatest of at least one value; NaN does not count."""
    return float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))


def hold_together(values: FloatField, low: float, high: float) -> bool:
    """Return whether neither end stands apart, as far as some of the values tell.

    Args:
        values: `[H, W]` or fewer, NaN where there is none.
        low, high: the least and the greatest of them.
    """
    # One value in the middle half is enough to know.
    quarter = (high - low) / (FAR + 1)
    sample = values.reshape(-1)[:: max(1, values.size // 1000)]
    return high == low or bool(((sample > low + quarter) & (sample < high - quarter)).any())


class StandingValue:
    """Watches for a value that some cells have in every step, and others hardly ever.

    It holds which cells have it, and counts, whatever the length of the record.
    """

    def __init__(self) -> None:
        self._value: np.float32 | None = None
        self._cells: npt.NDArray[np.bool_] = np.zeros(0, dtype=bool)
        self._count = 0
        self._others = 0
        self._low, self._high = np.inf, -np.inf
        self._steps = 0

    def add(self, field: FloatField) -> None:
        """Take the next field `[H, W]` that has a value."""
        if self._value is None:
            values, counts = np.unique(field[~np.isnan(field)], return_counts=True)
            self._value = np.float32(values[counts.argmax()])
            self._cells = np.ones(field.shape, dtype=bool)
        elif not self._cells.any():
            return
        equal = field == self._value
        self._cells &= equal
        if self._cells.sum() < max(3, LEAST_SHARE * field.size):
            self._cells[:] = False
            return
        others = field[~equal & ~np.isnan(field)]
        self._count += int(equal.sum())
        self._others += others.size
        self._steps += 1
        if others.size:
            self._low = min(self._low, float(others.min()))
            self._high = max(self._high, float(others.max()))

    def found(self, zero: float) -> tuple[float, float] | None:
        """Return the value and the share of cells that always have it; None for none.

        Args:
            zero: what a 0 of the sources is in the fields: one within the range of the others is
                named as well.
        """
        if self._value is None or not self._cells.any() or self._low >= self._high:
            return None
        value, cells = float(self._value), int(self._cells.sum())
        by_chance = self._count - cells * self._steps
        if by_chance > NATURAL * (by_chance + self._others):
            return None
        gap = max(self._low - value, value - self._high)
        if value != float(np.float32(zero)) and gap < LEAST_GAP * (self._high - self._low):
            return None
        return value, cells / self._cells.size


@dataclass(frozen=True)
class Undeclared:
    """Values that perhaps stand for none.

    Args:
        far: value that stands far outside all others, and more than once -> cells that have it,
            over all steps; the most frequent first.
        standing: a value that some cells have in every step, and their share; None for none.
    """

    far: Mapping[float, int]
    standing: tuple[float, float] | None

    @classmethod
    def of(cls, far: Mapping[float, int], standing: tuple[float, float] | None) -> "Undeclared":
        """Keep what is worth a word of `far_values` and `StandingValue.found`."""
        repeated = {
            value: count
            for value, count in far.items()
            if count > 1 or abs(value) > LARGEST_PLAUSIBLE_VALUE
        }
        named = sorted(repeated, key=lambda value: -repeated[value])[:MOST_NAMED]
        if standing is not None and any(np.isclose(standing[0], value) for value in repeated):
            standing = None
        return cls({value: repeated[value] for value in named}, standing)

    @property
    def values(self) -> tuple[float, ...]:
        """All of them, as people type them: with six digits."""
        every = (*self.far, *(() if self.standing is None else (self.standing[0],)))
        return tuple(float(f"{value:g}") for value in every)


class UndeclaredTally:
    """Looks for them in fields `[H, W]` of one variable while they pass by."""

    def __init__(self) -> None:
        self._far: Counter[float] = Counter()
        self._standing = StandingValue()

    def add(self, field: FloatField) -> None:
        """Take the next field; one without any value says nothing."""
        finite = np.where(np.isinf(field), np.float32(np.nan), field)
        if np.isfinite(finite).any():
            self._far.update(far_values(finite))
            self._standing.add(finite)

    def found(self) -> Undeclared:
        """Return what was found until now."""
        return Undeclared.of(self._far, self._standing.found(zero=0.0))


def undeclared_notes(variable: str, found: Undeclared) -> list[str]:
    """Say which values of the sources are perhaps none, and how to say so; once for all files.

    Args:
        variable: its name in the dataset.
        found: the values, as they are in the sources.
    """
    notes = []
    if found.far:
        times = [
            _n(
                "{value:g} (at least once)",
                "{value:g} (at least {count} times)",
                count,
                value=value,
                count=count,
            )
            for value, count in found.far.items()
        ]
        options = " ".join(f"--missing-value {value:g}" for value in found.far)
        notes.append(
            _("{variable}: far outside all other values: {values}. Perhaps fill values that the "
              "sources do not declare; if they are: {options}",
              variable=variable, values=listed(times), options=options)
        )  # fmt: skip
    if found.standing is not None:
        value, share = found.standing
        notes.append(
            _("{variable}: {percent:.1f} % of the points are {value:g} in every step, which is "
              "perhaps how the sources store land. If it is: --missing-value {value:g}, or name a "
              "mask: --mask-variable NAME",
              variable=variable, percent=100 * share, value=value)
        )  # fmt: skip
    return notes
