"""Whether LR and HR belong together: LR is compared with the means of HR over blocks.

A product of its own has a bias, noise and another coastline, and is not found fault with: what is
named is only what explains LR far better than the pair as it is stored.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.data.fields import Field
from srwizard.data.layout import Contents, Problem
from srwizard.data.pairing_masks import Series, other_mask

ALIKE = 1e-6
"""Where less than this share of the variance differs, nothing is left to be explained."""
FAR_BETTER = 0.15
"""Another pairing is named if it leaves less than this share of what the stored one leaves."""
RESEMBLES = 0.5
"""The share of the variance that a pairing has to explain to be named."""
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
FEWEST_POINTS = 16

TURNED = (
    ("hv", N_("LR is HR turned by 180 degrees: rows and columns are in the opposite order")),
    ("v", N_("LR is HR turned upside down: its rows are in the opposite order")),
    ("h", N_("LR is HR mirrored: its columns are in the opposite order")),
    ("t", N_("LR is HR transposed: rows and columns are exchanged")),
    ("tv", N_("LR is HR turned by 90 degrees")),
    ("th", N_("LR is HR turned by 90 degrees")),
    ("thv", N_("LR is HR transposed along the other diagonal")),
)
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
    stored = _unexplained(lr, hr)
    fault = None
    if stored > ALIKE:
        fault = _turned(lr, hr, stored) or _shifted(lr, hr, stored)
    if fault is None:
        fault = _other_units(lr, hr) or _other_step(lr, hr, high, indices, scale)
    if fault is None:
        fault = _unlike(lr, hr, stored)
    if fault is not None:
        yield Problem(place, fault.message, fault.fatal)
    if fault is None or not fault.fatal:
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
    height, width = (size // scale for size in field.shape)
    means, shares = [], []
    for index in indices:
        blocks = _read(field, [index]).reshape(height, scale, width, scale)
        valid = np.isfinite(blocks)
        count = valid.sum((1, 3))
        total = np.where(valid, blocks, 0).sum((1, 3))
        means.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
        shares.append(count / scale**2)
    return np.stack(means), np.stack(shares)


def _unexplained(lr: Series, hr: Series) -> float:
    """Return the share of the variance of HR that a rising straight line of LR leaves."""
    both = np.isfinite(lr) & np.isfinite(hr)
    if both.sum() < FEWEST_POINTS:
        return 1.0
    x, y = lr[both] - lr[both].mean(), hr[both] - hr[both].mean()
    norm = float((x @ x) * (y @ y))
    product = float(x @ y)
    return 1 - product**2 / norm if norm > 0 and product > 0 else 1.0


def _explains(left: float, stored: float) -> bool:
    return left < FAR_BETTER * stored and left < 1 - RESEMBLES


def _turned(lr: Series, hr: Series, stored: float) -> Fault | None:
    best, message = 1.0, ""
    for how, text in TURNED:
        turned = lr
        if "t" in how:
            if lr.shape[1] != lr.shape[2]:
                continue
            turned = turned.swapaxes(1, 2)
        turned = turned[:, :: -1 if "v" in how else 1, :: -1 if "h" in how else 1]
        left = _unexplained(turned, hr)
        if left < best:
            best, message = left, text
    if not _explains(best, stored):
        return None
    return Fault(_("{fault}; store both in the same order", fault=_(message)))


def _shifted(lr: Series, hr: Series, stored: float) -> Fault | None:
    best, found = 1.0, (0, 0)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if (down, right) != (0, 0):
                left = _unexplained(_moved(lr, -down, -right), hr)
                if left < best:
                    best, found = left, (down, right)
    if not _explains(best, stored):
        return None
    return Fault(
        _("LR is shifted by a cell: {rows} rows and {columns} columns; HR and LR must begin at the "
          "same edge of the domain",
          rows=f"{found[0]:+d}", columns=f"{found[1]:+d}"),
        fatal=False,
    )  # fmt: skip


def _moved(fields: Series, down: int, right: int) -> Series:
    moved = np.roll(fields, (down, right), (1, 2))
    if down:
        moved[:, 0 if down > 0 else -1] = np.nan
    if right:
        moved[:, :, 0 if right > 0 else -1] = np.nan
    return moved


def _other_units(lr: Series, hr: Series) -> Fault | None:
    both = np.isfinite(lr) & np.isfinite(hr)
    x, y = hr[both], lr[both]
    spread, differs = float(x.std()), _rms(y - x)
    if differs <= SAME_UNIT * spread:
        return None

    def error_of(factor: float, offset: float) -> float:
        """Return how far LR is from factor * HR + offset, in the unit of HR."""
        return _rms(y - (factor * x + offset)) / abs(factor) if factor else math.inf

    error, factor, offset, text = min(
        (error_of(factor, offset), factor, offset, text) for factor, offset, text in UNITS
    )
    # A mean may be that of another unit by chance: LR is then just as well a multiple of HR.
    multiple = max(error_of(float(x @ y / (x @ x)), 0.0), math.sqrt(ALIKE) * spread)
    fits = error * abs(factor) < FAR_BETTER * differs and error < spread
    if fits and not multiple < FAR_BETTER * error:
        return Fault(
            _("{fault} (LR is about {factor:.4g} * HR {offset:+.4g}); convert one of them",
              fault=_(text), factor=factor, offset=offset)
        )  # fmt: skip
    size = float(y.std()) / spread
    if _unexplained(lr, hr) < UNRELATED and not 1 / FACTOR < size < FACTOR:
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


def _other_step(
    lr: Series, hr: Series, field: Field, indices: Sequence[int], scale: int
) -> Fault | None:
    """Find out whether LR is rather that of the step before or after, or of the opposite order."""
    own = _without_bias(lr - hr)
    if len(indices) < 2 or own <= np.sqrt(ALIKE) * np.nanstd(hr):
        return None
    last = len(field.steps) - 1
    others = [(_("LR is from another step: the steps are in the opposite order"), hr[::-1])]
    texts = {
        -1: _("LR is from another step: each belongs to the HR of the previous step"),
        1: _("LR is from another step: each belongs to the HR of the next step"),
    }
    for lag, text in texts.items():
        near = [min(max(index + lag, 0), last) for index in indices]
        means = _block_means(field, near, scale)[0]
        means[[index + lag != at for index, at in zip(indices, near, strict=True)]] = np.nan
        others.append((text, means))
    left, message = min(((_without_bias(lr - one), text) for text, one in others))
    return Fault(message, fatal=False) if left < FAR_BETTER * own else None


def _unlike(lr: Series, hr: Series, stored: float) -> Fault | None:
    if stored > 1 - UNRELATED:
        return Fault(
            _("LR hardly resembles HR (correlation {correlation:.2f} with its block means)",
              correlation=math.sqrt(max(0.0, 1 - stored))),
            fatal=False,
        )  # fmt: skip
    changes = [fields - _mean_over_steps(fields) for fields in (lr, hr)]
    varies = np.nanstd(changes[1]) > LEAST_CHANGE * np.nanstd(hr)
    if len(lr) > 2 and varies and _unexplained(changes[0], changes[1]) > 1 - UNRELATED:
        text = _("LR hardly changes with HR from step to step; are the steps in the same order?")
        return Fault(text, fatal=False)
    return None


def _mean_over_steps(fields: Series) -> npt.NDArray[np.float64]:
    valid = np.isfinite(fields)
    total = np.where(valid, fields, 0).sum(0)
    return np.where(valid.any(0), total / np.maximum(valid.sum(0), 1), np.nan)


def _without_bias(difference: Series) -> float:
    """Return the RMS of a difference from its mean over the steps; infinite without any point."""
    valid = np.isfinite(difference)
    left = (difference - _mean_over_steps(difference))[valid & (valid.sum(0) > 1)]
    return _rms(left) if left.size >= FEWEST_POINTS else float("inf")


def _rms(values: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
