"""Block means: what LR is of HR where `srwizard prepare` has made it, and whether it is that."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from srwizard.data.block_sums import block_sums
from srwizard.data.fields import FloatField
from srwizard.data.layout import Contents
from srwizard.data.sampling import spread
from srwizard.data.statics import LATITUDE, read_static
from srwizard.data.weighting import Weighting

MOST_STEPS = 20
"""Of the training split: enough to see how LR was made."""

Array = npt.NDArray[np.float64]


def point_weights(contents: Contents, shape: tuple[int, int], weighting: Weighting) -> Array | None:
    """Return the weights `[H, W]` of HR points in block means; None: all alike.

    Raises:
        DatasetError: they follow from the latitude, and that cannot be read.
    """
    if weighting == "equal":
        return None
    latitude = read_static(contents, "hr", LATITUDE, shape)
    weights: Array = np.maximum(np.cos(np.deg2rad(latitude)), np.finfo(np.float64).tiny)
    return weights


def block_shares(
    present: npt.NDArray[np.bool_], scale: int, weights: Array | None = None
) -> FloatField:
    """Return how much each HR point counts in the mean of its block.

    Args:
        present: `[C, H, W]`, True where HR has values.
        scale: HR/LR.
        weights: `[H, W]`; None: all alike.

    Returns:
        `[C, H, W]`, adding up to 1 in each block that has a point, and 0 throughout in others.
    """
    weighted = np.where(present, 1.0 if weights is None else weights, 0.0)
    total = block_sums(weighted, scale)
    inverse = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    shares: FloatField = (weighted * expanded(inverse, scale)).astype(np.float32)
    return shares


def expanded(values: npt.NDArray[np.floating], scale: int) -> npt.NDArray[np.floating]:
    """Return `[C, h, w]` at the HR points of its blocks, `[C, H, W]`."""
    return values.repeat(scale, axis=1).repeat(scale, axis=2)


def missing_mean(lr: FloatField, field: FloatField, shares: FloatField) -> FloatField:
    """Return LR minus the block means of an HR field, in float64 until it is small.

    Args:
        lr: `[C, h, w]`, NaN in gaps.
        field: `[C, H, W]`, or what stretches over it; finite.
        shares: `[C, H, W]`, from `block_shares`.

    Returns:
        `[C, h, w]`, NaN where LR has no value or the block no point.
    """
    scale = shares.shape[-1] // lr.shape[-1]
    missing = lr - block_sums(shares * np.asarray(field, np.float64), scale)
    known = np.isfinite(lr) & (block_sums(shares, scale) > 0)
    return np.where(known, missing, np.nan).astype(np.float32)


def departure(
    contents: Contents, variables: Sequence[str], scale: int, weighting: Weighting
) -> dict[str, tuple[float, float]]:
    """Measure how far LR of the training split is from the block means of HR.

    Returns:
        For each variable the RMS of LR - block mean, and of HR - LR: how much HR varies in a block.

    Raises:
        OSError, ValueError: a file cannot be read.
        DatasetError: the latitude, which means are weighted by, cannot be read.
    """
    found = {}
    for name in variables:
        low, high = (contents.fields["train", level, name] for level in ("lr", "hr"))
        weights = point_weights(contents, high.shape, weighting)
        squares: list[tuple[float, int]] = []
        within: list[tuple[float, int]] = []
        present = shares = None
        for index in spread(len(low.steps), MOST_STEPS):
            lr, hr = low.read(index), high.read(index)
            there = np.isfinite(hr)[None]
            if present is None or shares is None or not np.array_equal(there, present):
                present, shares = there, block_shares(there, scale, weights)
            squares.append(_squares(missing_mean(lr[None], np.nan_to_num(hr)[None], shares)))
            within.append(_squares(hr - expanded(lr[None], scale)[0]))
        found[name] = (_rms(squares), _rms(within))
    return found


def _squares(error: npt.NDArray[np.floating]) -> tuple[float, int]:
    known = error[np.isfinite(error)].astype(np.float64)
    return float(np.dot(known, known)), len(known)


def _rms(parts: Sequence[tuple[float, int]]) -> float:
    count = sum(points for _sum, points in parts)
    return math.sqrt(sum(total for total, _points in parts) / count) if count else 0.0
