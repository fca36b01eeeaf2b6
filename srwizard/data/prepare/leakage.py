"""Whether a split begins with fields that the split before it has all but shown already."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srwizard.base.i18n import translate as _
from srwizard.data.fields import FloatField
from srwizard.data.split_names import split_words

ALIKE = 0.7
"""From this pattern correlation on, half the variance of one field is in the other."""
LEAST_TRAIN_STEPS = 8
"""With fewer, the mean of the training split says nothing."""
MOST_CELLS = 100_000
"""Of a larger grid, every second, third, ... row and column is enough to correlate patterns."""


@dataclass(frozen=True)
class Likeness:
    """How alike the last step of a split and the first ones of the next are, in one variable.

    Args:
        variable: which one.
        before, after: the two splits.
        correlation: pattern correlation of the last step of one and the first of the other, of
            what departs from the mean of the training split.
        alike_steps: how many steps at the begin of `after` correlate by `ALIKE` or more.
        throughout: whether these are all of them.
    """

    variable: str
    before: str
    after: str
    correlation: float
    alike_steps: int
    throughout: bool


class SplitLikeness:
    """Watches the fields `[H, W]` of one variable pass by, split by split in order of time.

    It holds the sums of the training split and the last field, whatever the length of the record,
    in about `MOST_CELLS` cells.
    """

    def __init__(self, variable: str, shape: tuple[int, int]) -> None:
        self._variable = variable
        self._every = math.ceil(math.sqrt(math.prod(shape) / MOST_CELLS))
        shape = (-(-shape[0] // self._every), -(-shape[1] // self._every))
        self._sum = np.zeros(shape, dtype=np.float64)
        self._count = np.zeros(shape, dtype=np.int32)
        self._train_steps = 0
        self._split = ""
        self._last: FloatField | None = None
        self._reference: npt.NDArray[np.float64] | None = None
        self.found: list[Likeness] = []

    def add(self, split: str, field: FloatField) -> None:
        """Take the next field of `split`."""
        field = field[:: self._every, :: self._every].copy()
        if split == "train":
            there = ~np.isnan(field)
            np.add(self._sum, field, out=self._sum, where=there)
            self._count += there
            self._train_steps += 1
        elif self._train_steps >= LEAST_TRAIN_STEPS:
            if split != self._split:
                self._begin(split)
            if self._reference is not None:
                self._compare(field)
        self._split, self._last = split, field

    def _begin(self, split: str) -> None:
        assert self._last is not None
        self._reference = self._departure(self._last)
        self.found.append(Likeness(self._variable, self._split, split, float("nan"), 0, False))

    def _compare(self, field: FloatField) -> None:
        assert self._reference is not None
        correlation = _correlation(self._reference, self._departure(field))
        known = self.found[-1]
        first = correlation if known.alike_steps == 0 else known.correlation
        alike = correlation >= ALIKE
        self.found[-1] = Likeness(
            known.variable, known.before, known.after, first, known.alike_steps + alike, alike
        )
        if not alike:
            self._reference = None

    def _departure(self, field: FloatField) -> npt.NDArray[np.float64]:
        mean = np.full(field.shape, np.nan)
        np.divide(self._sum, self._count, out=mean, where=self._count > 0)
        departure: npt.NDArray[np.float64] = field - mean
        return departure


def leakage_notes(found: Sequence[Likeness], gap: int) -> list[str]:
    """Return a warning for each two neighbouring splits that are alike, and the gap to leave."""
    notes = []
    pairs = dict.fromkeys((each.before, each.after) for each in found)
    for before, after in pairs:
        alike = [each for each in found if (each.before, each.after) == (before, after)]
        worst = max(alike, key=lambda each: (each.alike_steps, each.correlation))
        if not worst.alike_steps:
            continue
        note = _(
            "Leakage in time: the first step of the {after} is much like the last one of the "
            "{before} (correlation {correlation:.2f} of {variable}, the training mean taken off), "
            "so that scores on the {after} will look better than they would on new data.",
            after=split_words(after),
            before=split_words(before),
            correlation=worst.correlation,
            variable=worst.variable,
        )
        advice = (
            _("The whole {after} is: leave out more steps than {steps}, with --gap (in an answers "
              "file: data.prepare.gap).",
              after=split_words(after), steps=gap + worst.alike_steps)
            if worst.throughout
            else _("Leave steps out between the splits: --gap {steps} (in an answers file: "
                   "data.prepare.gap).",
                   steps=gap + worst.alike_steps)
        )  # fmt: skip
        notes.append(_("{message} {hint}", message=note, hint=advice))
    return notes


def _correlation(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Return Pearson's over the cells that both have; NaN where nothing varies."""
    there = np.isfinite(one) & np.isfinite(other)
    if there.sum() < 2:
        return float("nan")
    x, y = one[there] - one[there].mean(), other[there] - other[there].mean()
    power = float(np.square(x).sum() * np.square(y).sum())
    return float((x * y).sum() / np.sqrt(power)) if power > 0 else float("nan")
