"""The least-squares filter of a variable, from sums that are taken while its record goes by.

For each place in the coarse cell the filter is that which, in the mean over the training split,
comes nearest to HR. What it learns is the difference to bicubic interpolation, from the
differences of the neighbours to the centre: its weights add up to 1, so that a field that is
warmer by a constant is enlarged to one that is warmer by it, and where little is known it stays
near bicubic interpolation (ridge regression towards it).

The sums let the climatology be taken off afterwards, in any share, so that one pass is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from srwizard.data.baselines.filters import (
    CENTRE,
    TAPS,
    WIDTH,
    Field,
    Kernel,
    bicubic_kernel,
    pieces,
    product,
    surrounded,
)

RIDGE = 5e-4
"""Of the mean square of a neighbour's difference to the centre, added to each."""
MOST_CELLS = 10_000
"""Coarse cells that are looked at in each step: a filter has 48 weights, and needs no more."""
OTHERS = np.delete(np.arange(TAPS), CENTRE)

Float64 = npt.NDArray[np.float64]


def merged(parts: Sequence["Moments"]) -> "Moments":
    """Return the sums over the steps of all parts, which are of the same cells."""
    sums = {
        name: sum(getattr(part, name) for part in parts) for name in ("count", "x", "y", "xx", "xy")
    }
    return replace(parts[0], **sums)


@dataclass
class Moments:
    """Sums over the steps gone by, for `m` coarse cells.

    `cells` `[m]` are their flat indices; `count` `[m]` in how many steps each was used; `x`
    `[m, 48]` and `y` `[m, scale²]` the sums of the neighbours' differences and of what bicubic
    interpolation misses; `xx` `[48, 48]` and `xy` `[48, scale²]` the sums of their products.
    """

    scale: int
    cells: npt.NDArray[np.intp]
    count: Float64
    x: Float64
    y: Float64
    xx: Float64
    xy: Float64
    periodic: bool = False
    """Whether the grid goes round the globe."""

    @classmethod
    def of(cls, shape: tuple[int, int], scale: int, *, periodic: bool = False) -> "Moments":
        """Return empty sums for LR fields of `shape` `[h, w]`; large ones have some cells drawn."""
        size = shape[0] * shape[1]
        cells = np.arange(size)
        if size > MOST_CELLS:
            cells = np.sort(np.random.default_rng(0).choice(size, MOST_CELLS, replace=False))
        inputs, outputs, m = len(OTHERS), scale**2, len(cells)
        return cls(
            scale,
            cells,
            np.zeros(m),
            np.zeros((m, inputs)),
            np.zeros((m, outputs)),
            np.zeros((inputs, inputs)),
            np.zeros((inputs, outputs)),
            periodic,
        )

    def add(self, lr: Field, hr: Field, valid: npt.NDArray[np.bool_]) -> None:
        """Take in one step.

        Args:
            lr: `[h, w]`, gaps filled.
            hr: `[H, W]`.
            valid: `[h, w]`, whether LR has a value there.

        Only cells count whose LR value and all of whose HR points are there.
        """
        x, y = self._rows(lr, hr)
        unused = ~(valid.reshape(-1)[self.cells] & np.isfinite(y).all(axis=1))
        x[unused], y[unused] = 0.0, 0.0
        self.count += ~unused
        self.x += x
        self.y += y
        self.xx += _over_cells(x, x)
        self.xy += _over_cells(x, y)

    def _rows(self, lr: Field, hr: Field) -> tuple[Float64, Float64]:
        """Return regressors `[m, 48]` and what bicubic interpolation misses `[m, scale²]`."""
        s = self.scale
        row, column = np.divmod(self.cells, lr.shape[1])
        padded = surrounded(lr, periodic=self.periodic)
        corner = row * padded.shape[1] + column
        offsets = np.add.outer(np.arange(WIDTH) * padded.shape[1], np.arange(WIDTH)).ravel()
        centre = lr.reshape(-1)[self.cells].astype(np.float64)
        around = padded.reshape(-1)[np.add.outer(corner, offsets[OTHERS])].astype(np.float64)
        around -= centre[:, None]
        blocks = hr.reshape(lr.shape[0], s, lr.shape[1], s)[row, :, column, :]
        truth = blocks.reshape(len(self.cells), s * s) - centre[:, None]
        bicubic = bicubic_kernel(s)[:, OTHERS].T.astype(np.float64)
        return around, truth - product(around, bicubic)

    def kernel(self, weight: float, lr_mean: Field, hr_mean: Field) -> Kernel:
        """Return the filter `[scale², TAPS]` for anomalies from `weight` times the climatology.

        Args:
            weight: from 0 to 1.
            lr_mean: `[h, w]`, no gaps.
            hr_mean: `[H, W]`; NaN where there is none.
        """
        plain = bicubic_kernel(self.scale)
        if not self.count.any():
            return plain
        mean_x, mean_y = self._rows(lr_mean, hr_mean)
        mean_y = np.where(np.isfinite(mean_y), mean_y, 0.0)
        weighted = weight * mean_x
        cross = _over_cells(self.x, weighted)
        xx = self.xx - cross - cross.T + _over_cells(weighted, self.count[:, None] * weighted)
        xy = (
            self.xy
            - _over_cells(self.x, weight * mean_y)
            - _over_cells(weighted, self.y)
            + _over_cells(weighted, self.count[:, None] * weight * mean_y)
        )
        scale = float(np.trace(xx)) / len(xx)
        if not scale > 0:
            return plain
        found = np.linalg.solve(xx + RIDGE * scale * np.eye(len(xx)), xy)
        kernel = plain.astype(np.float64)
        kernel[:, OTHERS] += found.T
        kernel[:, CENTRE] -= found.sum(axis=0)
        return kernel.astype(np.float32)


def _over_cells(one: Float64, other: Float64) -> Float64:
    """Return the sums over all cells `[m, j]`, `[m, k]` of the products: `[j, k]`."""
    total = np.zeros((one.shape[1], other.shape[1]))
    for part in pieces(len(one), total.size):
        total += one[part].T @ other[part]
    return total
