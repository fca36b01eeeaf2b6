"""Enlarging a field by one small filter for each place in the coarse cell.

HR = shuffle(K * LR): each of the scale x scale points of a coarse cell is a weighted sum of the
LR neighbourhood, with weights of its own. Bicubic interpolation is such a filter, and so is the
least-squares one. At the borders the outermost LR value is repeated.
"""

import functools
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

WIDTH = 7
"""Side of the neighbourhood, in LR points; odd."""
REACH = WIDTH // 2
TAPS = WIDTH * WIDTH
CENTRE = TAPS // 2
CUBIC = -0.75
"""The coefficient of Keys (1981, equation 4) that PyTorch's bicubic interpolation has."""
BLOCK_VALUES = 2**18
"""So many values of neighbourhoods are made at a time: they stay in the cache."""
PRODUCT_SIZE = 2**18
"""No matrix product has more multiplications: from there on OpenBLAS begins threads, which cost
more than they gain on such narrow matrices (many times more where others use the cores) and make
the last bits depend on their number."""

Field = npt.NDArray[np.float32]
Kernel = npt.NDArray[np.float32]
"""`[scale², TAPS]`: the weights of each place in the coarse cell, row by row."""
F = TypeVar("F", bound=np.floating)


@functools.cache
def bicubic_kernel(scale: int) -> Kernel:
    """Return the filter `[scale², TAPS]` of `torch.nn.functional.interpolate(mode="bicubic")`."""
    along = np.zeros((scale, WIDTH))
    for place in range(scale):
        position = (place + 0.5) / scale - 0.5
        first = int(np.floor(position))
        for offset in range(-1, 3):
            distance = abs(position - first - offset)
            along[place, REACH + first + offset] += _cubic(distance)
    kernel = np.einsum("ac,bd->abcd", along, along).reshape(scale**2, TAPS)
    result: Kernel = kernel.astype(np.float32)
    return result


def _cubic(distance: float) -> float:
    """Return the weight of a point in cubic convolution (Keys 1981, equation 4)."""
    if distance <= 1:
        return (CUBIC + 2) * distance**3 - (CUBIC + 3) * distance**2 + 1
    return CUBIC * (distance**3 - 5 * distance**2 + 8 * distance - 4)


def enlarge(kernel: Kernel, field: Field, constant: float = 0.0) -> Field:
    """Apply `kernel` `[scale², TAPS]` to `field` `[h, w]` without gaps: `[h scale, w scale]`.

    Args:
        kernel: the weights of a place add up to 1.
        field: see above.
        constant: taken off before and added again, so that rounding is that of the variations and
            not of, say, 290 K.
    """
    return enlarge_padded(kernel, np.pad(field, REACH, mode="edge"), constant)


def enlarge_padded(kernel: Kernel, padded: Field, constant: float = 0.0) -> Field:
    """Apply `kernel` to a field that has `REACH` further points on each side."""
    height, width = padded.shape[0] - 2 * REACH, padded.shape[1] - 2 * REACH
    scale = int(np.sqrt(len(kernel)))
    offset = np.float32(constant)
    views = np.lib.stride_tricks.sliding_window_view(padded - offset, (WIDTH, WIDTH))
    result = np.empty((height, scale, width, scale), dtype=np.float32)
    rows = max(1, BLOCK_VALUES // (width * TAPS))
    for top in range(0, height, rows):
        block = views[top : top + rows].reshape(-1, TAPS)
        fine = product(block, kernel.T).reshape(-1, width, scale, scale)
        result[top : top + rows] = fine.transpose(0, 2, 1, 3)
    result += offset
    return result.reshape(height * scale, width * scale)


def product(tall: npt.NDArray[F], small: npt.NDArray[F]) -> npt.NDArray[F]:
    """Return `tall @ small`, `[m, k]` and `[k, n]`, the same for any number of threads."""
    found = np.empty((len(tall), small.shape[1]), tall.dtype)
    for part in pieces(len(tall), small.size):
        np.matmul(tall[part], small, out=found[part])
    return found


def pieces(length: int, values: int) -> Iterator[slice]:
    """Yield parts of `length` rows, each of which gives a product of `PRODUCT_SIZE` at most.

    Args:
        length: of the long side.
        values: multiplications for each row.
    """
    rows = max(1, PRODUCT_SIZE // values)
    for first in range(0, length, rows):
        yield slice(first, first + rows)
