"""Sums over blocks of neighbouring points: what block means are made of."""

from typing import Any

import numpy as np
import numpy.typing as npt


def block_sums(
    values: npt.NDArray[Any], scale: int, dtype: npt.DTypeLike = np.float64
) -> npt.NDArray[Any]:
    """Return the sum of each block of `scale` x `scale` points, `[..., H, W] -> [..., h, w]`.

    Added up in `dtype`; sides are multiples of `scale`. Whole rows first: numpy's own sum over both
    axes at once takes ten times as long.
    """
    rows = values.reshape(*values.shape[:-2], -1, scale, values.shape[-1])
    return segment_sums(np.add.reduce(rows, axis=-2, dtype=dtype), scale, dtype)


def segment_sums(
    values: npt.NDArray[Any], scale: int, dtype: npt.DTypeLike = np.float64
) -> npt.NDArray[Any]:
    """Return the sums of `scale` neighbours along the last axis, `[..., N] -> [..., n]`."""
    blocks = values.reshape(*values.shape[:-1], -1, scale)
    # A reduction over so few neighbours takes three times as long.
    total = blocks[..., 0].astype(dtype)
    for place in range(1, scale):
        total += blocks[..., place]
    return total
