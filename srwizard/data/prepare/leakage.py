"""Whether a split begins with fields that the split before it has all but shown already."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srwizard.base.i18n import in_a_row
from srwizard.base.i18n import translate as _
from srwizard.data.fields import FloatField
from srwizard.data.split_names import SPLITS, split_words

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
    """Return one warning of all neighbouring splits that are alike, with the gap to leave; or none.

    Args:
        found: of each variable and pair of splits.
        gap: steps that are left out between splits already.
    """
    alike = [each for each in found if each.alike_steps]
    if not alike:
        return []
    # Of each pair of splits the variable that is alike the longest.
    worst: dict[tuple[str, str], Likeness] = {}
    for each in sorted(alike, key=lambda each: (each.alike_steps, each.correlation)):
        worst[each.before, each.after] = each
    pairs = sorted(worst.values(), key=lambda each: SPLITS.index(each.after))
    steps = gap + max(each.alike_steps for each in alike)
    # Sentences of their own: so they are told in the reader's language (base/retell.py).
    sentences = [
        _(
            "Leakage in time: with the training mean removed, a split begins much like the one "
            "before it ends, so that scores on it will look better than they would on new data."
        ),
        *(
            _(
                "The {after} begins like the {before} ends: correlation {correlation:.2f} of "
                "{variable}.",
                after=split_words(each.after),
                before=split_words(each.before),
                correlation=each.correlation,
                variable=each.variable,
            )
            for each in pairs
        ),
    ]
    sentences.append(
        _("It is still so at the end of a split: leave out more than {steps} steps between the "
          "splits, with --gap (in an answers file: data.prepare.gap).", steps=steps)
        if any(each.throughout for each in alike)
        else _("Leave steps out between the splits: --gap {steps} (in an answers file: "
               "data.prepare.gap).", steps=steps)
    )  # fmt: skip
    return [in_a_row(sentences)]


def _correlation(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Return Pearson's over the cells that both have; NaN where nothing varies."""
    there = np.isfinite(one) & np.isfinite(other)
    if there.sum() < 2:
        return float("nan")
    x, y = one[there] - one[there].mean(), other[there] - other[there].mean()
    power = float(np.square(x).sum() * np.square(y).sum())
    return float((x * y).sum() / np.sqrt(power)) if power > 0 else float("nan")
