"""LR fields from HR fields by interpolation: as `srwizard.data.lr_methods` names them.

The kernels are stretched by the scale (antialiased), as in MATLAB's `imresize` and Pillow: an LR
cell sees all HR cells around it, not only those nearest to its centre. LR stands on the grid of the
block means whatever the method, and has a value where any HR cell in the block has one.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from srwizard.data.coordinates import FloatArray
from srwizard.data.gaps import NearestFill

Floats = npt.NDArray[np.float64]

LANCZOS_LOBES = 3
GAUSSIAN_DEVIATION = 0.5
"""In LR cells: half the power of the shortest waves that LR can hold is gone."""
GAUSSIAN_REACH = 1.5
"""In LR cells, three standard deviations."""


def nearest(field: FloatArray, scale: int) -> Floats:
    """Return the HR value nearest to the centre of each LR cell `[H / scale, W / scale]`.

    Of an even scale four are equally near: the lower right one is taken, as by
    `torch.nn.functional.interpolate` (nearest-exact). Where it is missing, the value nearest to
    it is taken.
    """
    middle = scale // 2
    return _over_gaps(field, scale, lambda filled: filled[middle::scale, middle::scale])


def bilinear(field: FloatArray, scale: int) -> Floats:
    """Return `[H / scale, W / scale]` by a triangle kernel."""
    return _filtered(field, scale, lambda distance: np.maximum(1.0 - distance, 0.0), 1.0)


def bicubic(field: FloatArray, scale: int) -> Floats:
    """Return `[H / scale, W / scale]` by the kernel of Keys (1981) with a = -0.5."""
    return _filtered(field, scale, _keys, 2.0)


def lanczos(field: FloatArray, scale: int) -> Floats:
    """Return `[H / scale, W / scale]` by a Lanczos kernel of three lobes (Duchon 1979)."""
    return _filtered(
        field,
        scale,
        lambda distance: np.sinc(distance) * np.sinc(distance / LANCZOS_LOBES),
        float(LANCZOS_LOBES),
    )


def gaussian(field: FloatArray, scale: int) -> Floats:
    """Return `[H / scale, W / scale]` by a Gaussian kernel, cut off at three deviations."""
    return _filtered(
        field,
        scale,
        lambda distance: np.exp(-0.5 * (distance / GAUSSIAN_DEVIATION) ** 2),
        GAUSSIAN_REACH,
    )


def _keys(distance: Floats) -> Floats:
    a = -0.5
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a
    return np.where(distance <= 1, near, far)


def _filtered(
    field: FloatArray, scale: int, kernel: Callable[[Floats], Floats], reach: float
) -> Floats:
    """Apply a separable kernel, which is given distances in LR cells, and is 0 from `reach` on."""
    # HR cells as seen from the centre of an LR cell; all LR cells see the same.
    outer = math.ceil(reach * scale - 0.5 * scale)
    offsets = np.arange(-outer, scale + outer) - (scale - 1) / 2
    distance = np.abs(offsets) / scale
    weights = np.where(distance < reach, kernel(distance), 0.0)
    weights /= weights.sum()

    def apply(filled: Floats) -> Floats:
        for axis in (0, 1):
            filled = _along(filled, axis, weights, scale, outer)
        return filled

    return _over_gaps(field, scale, apply)


def _along(values: Floats, axis: int, weights: Floats, scale: int, outer: int) -> Floats:
    """Filter along one axis and keep every `scale`-th value; the edges are mirrored."""
    widths = [(outer, outer) if each == axis else (0, 0) for each in (0, 1)]
    padded = np.pad(values, widths, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=axis)
    taken = windows[::scale] if axis == 0 else windows[:, ::scale]
    found: Floats = taken @ weights
    return found


def _over_gaps(field: FloatArray, scale: int, apply: Callable[[Floats], Floats]) -> Floats:
    """Apply a filter to a field without its gaps, and put back those that fill a whole LR cell.

    A kernel would mix land into the sea, or make each coast lose a strip as wide as it reaches.
    """
    rows, columns = (side // scale for side in field.shape)
    valid = ~np.isnan(field)
    any_valid = valid.reshape(rows, scale, columns, scale).any(axis=(1, 3))
    filled = NearestFill()(np.asarray(field, np.float64))
    return np.where(any_valid, apply(np.asarray(filled, np.float64)), np.nan)
