"""Whether LR and HR belong together: LR is compared with the means of HR over blocks.

A product of its own has a bias, noise and another coastline, and is not found fault with: what is
named is only what explains LR far better than the pair as it is stored.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.data.block_sums import block_sums
from srwizard.data.fields import Field
from srwizard.data.layout import Contents, Problem
from srwizard.data.pairing_arrangement import (
    TURNED,
    Arrangement,
    Partner,
    arrangement,
    overlap,
    turned_back,
)
from srwizard.data.pairing_masks import other_mask
from srwizard.data.pairing_measures import (
    ALIKE,
    FAR_BETTER,
    FEWEST_POINTS,
    Series,
    changes,
    rms,
    unexplained,
)

UNRELATED = 0.1
"""Fields that explain less of each other than this have little to do with each other."""
SAME_UNIT = 0.5
"""Spreads that LR may differ by without any question about its unit."""
LARGE_BIAS = 3.0
"""Spreads that the mean of LR may differ by."""
FACTOR = 1.3
LEAST_CHANGE = 0.1
"""Fields that change by less than this share of their spread do not tell steps apart."""
LARGEST = 1e15

LAGS: Mapping[Partner, int] = {"own": 0, "previous": -1, "next": 1}
OTHER_STEPS: Mapping[Partner, str] = {
    "opposite": N_("LR is from another step: the steps are in the opposite order"),
    "previous": N_("LR is from another step: each belongs to the HR of the previous step"),
    "next": N_("LR is from another step: each belongs to the HR of the next step"),
}
UNITS = (
    (1.0, 273.15, N_("LR is in K and HR in degC")),
    (1.0, -273.15, N_("LR is in degC and HR in K")),
    (1.8, 32.0, N_("LR is in degF and HR in degC")),
    (1.8, -459.67, N_("LR is in degF and HR in K")),
    (1 / 1.8, -32 / 1.8, N_("LR is in degC and HR in degF")),
    (1 / 1.8, 459.67 / 1.8, N_("LR is in K and HR in degF")),
    (-1.0, 0.0, N_("LR has the opposite sign of HR")),
    *(
        (10.0**power, 0.0, N_("LR is in a different unit from HR"))
        for power in (-3, -2, -1, 1, 2, 3)
    ),
)
"""LR = factor * HR + offset, and what that means."""


def pairing_problems(
    contents: Contents, variable: str, scale: int, indices: Sequence[int]
) -> Iterator[Problem]:
    """Compare some steps of the training split, and name what does not belong together.

    Args:
        contents: the dataset.
        variable: which.
        scale: HR/LR.
        indices: the steps to compare.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    low, high = (contents.fields["train", level, variable] for level in ("lr", "hr"))
    place = low.path(indices[0])
    lr = _read(low, indices)
    hr, filled = _block_means(high, indices, scale)
    if (np.isfinite(lr) & np.isfinite(hr)).sum() < FEWEST_POINTS or not np.nanstd(hr):
        return

    @cache
    def hr_of(partner: Partner) -> Series:
        if partner in LAGS:
            return hr if partner == "own" else _beside(high, indices, scale, LAGS[partner])
        return hr[::-1]

    found = arrangement(lr, hr_of)
    faults = _misplaced(found)
    lr = turned_back(lr, found.turned)
    faults += _other_values(lr, hr_of, found)
    for fault in faults or _unlike(lr, hr, found):
        yield Problem(place, fault.message, fault.fatal)
    message = other_mask(lr, filled)
    if message:
        yield Problem(place, message, fatal=False)


@dataclass(frozen=True)
class Fault:
    """What is wrong with the pairs of a variable."""

    message: str
    fatal: bool = True


def _read(field: Field, indices: Sequence[int]) -> Series:
    values = np.stack([field.read(index) for index in indices]).astype(np.float64)
    values[np.abs(values) > LARGEST] = np.nan
    return values


def _block_means(field: Field, indices: Sequence[int], scale: int) -> tuple[Series, Series]:
    """Return the means over blocks, and the share of the points of each that have a value."""
    means, shares = [], []
    for index in indices:
        values = _read(field, [index])[0]
        valid = np.isfinite(values)
        count = block_sums(valid, scale, np.int64)
        total = block_sums(np.where(valid, values, 0), scale)
        means.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
        shares.append(count / scale**2)
    return np.stack(means), np.stack(shares)


def _beside(field: Field, indices: Sequence[int], scale: int, lag: int) -> Series:
    """Return the block means so many steps after each of `indices`; NaN beyond the record."""
    last = len(field.steps) - 1
    near = [min(max(index + lag, 0), last) for index in indices]
    means = _block_means(field, near, scale)[0]
    means[[index + lag != at for index, at in zip(indices, near, strict=True)]] = np.nan
    return means


def _misplaced(found: Arrangement) -> list[Fault]:
    faults = []
    if found.turned:
        how = TURNED[found.turned]
        faults.append(Fault(_("{fault}; store both in the same order", fault=_(how))))
    if found.shifted != (0, 0):
        down, right = found.shifted
        text = _(
            "LR is shifted by a cell: {rows} rows and {columns} columns; HR and LR must begin at "
            "the same edge of the domain",
            rows=f"{down:+d}",
            columns=f"{right:+d}",
        )
        if found.turned:
            text = _("once both are in the same order, {fault}", fault=text)
        faults.append(Fault(text, fatal=False))
    return faults


def _other_values(
    lr: Series, hr_of: Callable[[Partner], Series], found: Arrangement
) -> list[Fault]:
    """Name what LR is that is turned back: in other units, or of another step."""
    faults = (
        _other_units(*overlap(lr, hr_of(found.partner), found.shifted)),
        _other_step(lr, hr_of, found),
    )
    return [fault for fault in faults if fault is not None]


def _other_units(lr: Series, hr: Series) -> Fault | None:
    both = np.isfinite(lr) & np.isfinite(hr)
    x, y = hr[both], lr[both]
    spread, differs = float(x.std()), rms(y - x)
    if differs <= SAME_UNIT * spread:
        return None

    def error_of(factor: float, offset: float) -> float:
        """Return how far LR is from factor * HR + offset, in the unit of HR."""
        return rms(y - (factor * x + offset)) / abs(factor) if factor else math.inf

    error, factor, offset, text = min(
        (error_of(factor, offset), factor, offset, text) for factor, offset, text in UNITS
    )
    # A mean may be that of another unit by chance: LR is then just as well a multiple of HR.
    times = float(x @ y / (x @ x))
    multiple = max(error_of(times, 0.0), math.sqrt(ALIKE) * spread)
    slope = float((x - x.mean()) @ (y - y.mean())) / (x.size * spread**2)
    fits = error * abs(factor) < FAR_BETTER * differs and error < spread
    by_chance = multiple < FAR_BETTER * error or (
        multiple * abs(times) < error * abs(factor) and not 1 / FACTOR < slope / factor < FACTOR
    )
    if fits and not by_chance:
        return Fault(
            _("{fault} (LR is about {factor:.4g} * HR {offset:+.4g}); convert one of them",
              fault=_(text), factor=factor, offset=offset)
        )  # fmt: skip
    size = float(y.std()) / spread
    if unexplained(lr, hr) < UNRELATED and not 1 / FACTOR < size < FACTOR:
        return Fault(
            _("LR is about {factor:.4g} times HR; are both in the same unit?", factor=size),
            fatal=False,
        )
    bias = float(y.mean() - x.mean())
    if abs(bias) > LARGE_BIAS * spread:
        return Fault(
            _("LR differs from HR by {bias:+.4g} on average, which is {spreads:.0f} times the "
              "spread of HR; are both the same variable, in the same unit?",
              bias=bias, spreads=abs(bias) / spread),
            fatal=False,
        )  # fmt: skip
    return None


def _other_step(lr: Series, hr_of: Callable[[Partner], Series], found: Arrangement) -> Fault | None:
    """Find out whether LR changes rather as HR of the step before or after, or of the last one."""

    def left_by(partner: Partner) -> float:
        ours, theirs = overlap(lr, hr_of(partner), found.shifted)
        return unexplained(changes(ours, theirs), changes(theirs, ours), opposite=found.opposite)

    own = left_by("own")
    if len(lr) < 2 or own <= ALIKE:
        return None
    least, partner = min((left_by(partner), partner) for partner in OTHER_STEPS)
    text = OTHER_STEPS[partner]
    return Fault(_(text), fatal=False) if least < FAR_BETTER**2 * own else None


def _unlike(lr: Series, hr: Series, found: Arrangement) -> list[Fault]:
    """Say that LR and HR have little to do with each other, though not why."""
    stored = unexplained(lr, hr)
    if found.opposite:
        text = _(
            "LR falls where HR rises (correlation {correlation:.2f} with its block means); are "
            "both the same variable?",
            correlation=-math.sqrt(1 - unexplained(lr, hr, opposite=True)),
        )
        return [Fault(text, fatal=False)]
    if stored > 1 - UNRELATED:
        text = _("LR hardly resembles HR (correlation {correlation:.2f} with its block means)",
                 correlation=math.sqrt(max(0.0, 1 - stored)))  # fmt: skip
        return [Fault(text, fatal=False)]
    ours, theirs = changes(lr, hr), changes(hr, lr)
    varies = np.isfinite(theirs).any() and np.nanstd(theirs) > LEAST_CHANGE * np.nanstd(hr)
    if len(lr) > 2 and varies and unexplained(ours, theirs) > 1 - UNRELATED:
        text = _("LR hardly changes with HR from step to step; are the steps in the same order?")
        return [Fault(text, fatal=False)]
    return []
