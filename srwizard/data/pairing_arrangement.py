"""How LR lies on HR: in which order of rows, columns and steps, and shifted by how much.

Up to two faults at once are looked for. Of explanations that are about as good the simplest counts.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import combinations, product
from typing import Any, Literal

from srwizard.base.i18n import N_
from srwizard.data.pairing_measures import ALIKE, FAR_BETTER, Series, unexplained

RESEMBLES = 0.5
"""The share of the variance that an arrangement has to explain to be named."""
SETTLED = 0.5
"""What two faults leave of what one leaves, if that one may be another than it seems."""
MOST_FAULTS = 2
MOST_POINTS = 20_000
"""Of a larger step, every second, third, ... row and column is compared."""

Partner = Literal["own", "previous", "next", "opposite"]
"""The step of HR that LR is compared with."""

TURNED: Mapping[str, str] = {
    "hv": N_("LR is HR turned by 180 degrees: rows and columns are in the opposite order"),
    "v": N_("LR is HR turned upside down: its rows are in the opposite order"),
    "h": N_("LR is HR mirrored: its columns are in the opposite order"),
    "t": N_("LR is HR transposed: rows and columns are exchanged"),
    "tv": N_("LR is HR turned by 90 degrees"),
    "th": N_("LR is HR turned by 90 degrees"),
    "thv": N_("LR is HR transposed along the other diagonal"),
}
"""What is done to LR, from the left to the right, to undo it."""


@dataclass(frozen=True)
class Arrangement:
    """What has been done to LR; as stored, nothing.

    Args:
        turned: a key of `TURNED`, or nothing.
        shifted: by how many rows and columns, once it is turned back.
        partner: the step of HR that LR belongs to.
        opposite: whether LR falls where HR rises.
    """

    turned: str = ""
    shifted: tuple[int, int] = (0, 0)
    partner: Partner = "own"
    opposite: bool = False

    def faults(self) -> set[str]:
        """Return the names of what is not as it should be."""
        return {each.name for each in fields(self) if getattr(self, each.name) != each.default}


AS_STORED = Arrangement()


def arrangement(lr: Series, hr_of: Callable[[Partner], Series]) -> Arrangement:
    """Return how LR lies on HR, as far as that is certain.

    Args:
        lr: `[N, h, w]`.
        hr_of: returns HR's block means of the partners of each step, of the same shape.
    """
    square = lr.shape[1] == lr.shape[2]
    best, left = AS_STORED, _left(AS_STORED, lr, hr_of)
    for count in range(1, MOST_FAULTS + 1):
        if left <= ALIKE:
            break
        found, its_left = _best(_with_faults(count, square=square), lr, hr_of)
        if its_left < FAR_BETTER * left and its_left < 1 - RESEMBLES:
            best, left = found, its_left
        elif its_left < SETTLED * left:
            best = _in_both(best, found)
    return best


def turned_back(lr: Series, turned: str) -> Series:
    """Undo a turn; see `TURNED`."""
    if "t" in turned:
        lr = lr.swapaxes(1, 2)
    return lr[:, :: -1 if "v" in turned else 1, :: -1 if "h" in turned else 1]


def overlap(lr: Series, hr: Series, shifted: tuple[int, int]) -> tuple[Series, Series]:
    """Return the parts of LR that is shifted, and of HR, that belong to each other."""
    parts = [
        (slice(max(by, 0), size + min(by, 0)), slice(max(-by, 0), size - max(by, 0)))
        for by, size in zip(shifted, lr.shape[1:], strict=True)
    ]
    (its_rows, rows), (its_columns, columns) = parts
    return lr[:, its_rows, its_columns], hr[:, rows, columns]


def _with_faults(count: int, *, square: bool) -> Iterator[Arrangement]:
    """Yield all arrangements with so many faults; those that need other steps come last."""
    aspects: dict[str, list[Any]] = {
        "turned": [each for each in TURNED if square or "t" not in each],
        "shifted": [by for by in product((-1, 0, 1), repeat=2) if by != (0, 0)],
        "opposite": [True],
        "partner": ["previous", "next", "opposite"],
    }
    for names in combinations(aspects, count):
        for values in product(*(aspects[name] for name in names)):
            yield replace(AS_STORED, **dict(zip(names, values, strict=True)))


def _best(
    candidates: Iterator[Arrangement], lr: Series, hr_of: Callable[[Partner], Series]
) -> tuple[Arrangement, float]:
    best, least = AS_STORED, math.inf
    for each in candidates:
        left = _left(each, lr, hr_of)
        if left < least:
            best, least = each, left
        if least <= ALIKE:
            break
    return best, least


def _left(one: Arrangement, lr: Series, hr_of: Callable[[Partner], Series]) -> float:
    """Return what an arrangement leaves unexplained of the variance."""
    lr, hr = overlap(turned_back(lr, one.turned), hr_of(one.partner), one.shifted)
    every = max(1, math.ceil(math.sqrt(lr[0].size / MOST_POINTS)))
    thinned = (slice(None), slice(None, None, every), slice(None, None, every))
    return unexplained(lr[thinned], hr[thinned], opposite=one.opposite)


def _in_both(one: Arrangement, other: Arrangement) -> Arrangement:
    """Return the faults that are in both."""
    same = {each: getattr(one, each) for each in one.faults()
            if getattr(one, each) == getattr(other, each)}  # fmt: skip
    return replace(AS_STORED, **same)
