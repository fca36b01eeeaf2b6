"""One simple method for one variable: what it makes of a low-resolution field.

All of them are K * (LR - a mean of LR) + a mean of HR, with K a filter of `filters` and the means
those of the training split, point by point: bicubic interpolation (a = 0), climatology (a = 1,
K bicubic: the spatial step of BCSD, Wood et al. 2004, or "delta method"), a linear filter (a = 0),
and that filter on the anomalies (a = 1). With 0 < a < 1 only part of the climatology is trusted,
which serves where a record is short or drifts.
"""

import copy
from collections.abc import Sequence

import numpy as np

from srwizard.data.baselines.choice import STANDARD, Choice
from srwizard.data.baselines.filters import (
    REACH,
    Field,
    Kernel,
    bicubic_kernel,
    enlarge_padded,
    surrounded,
)
from srwizard.data.fields import cut
from srwizard.data.gaps import NearestFill


class Baseline:
    """A method made ready for one variable.

    Args:
        choice: which method.
        kernel: `[scale², TAPS]`, its filter.
        lr_mean: `[h, w]` in physical units, no gaps: the climatology of LR.
        hr_mean: `[H, W]` in physical units: the climatology of HR; where HR is never observed,
            the filtered one of LR.
        periodic: whether the grid goes round the globe.
    """

    def __init__(
        self,
        choice: Choice,
        kernel: Kernel,
        lr_mean: Field,
        hr_mean: Field,
        *,
        periodic: bool = False,
    ) -> None:
        self.choice = choice
        self.kernel = kernel
        self.scale = hr_mean.shape[0] // lr_mean.shape[0]
        self.lr_part = np.float32(choice.weight) * lr_mean if choice.weight else None
        self.hr_part = np.float32(choice.weight) * hr_mean if choice.weight else None
        self.constant = (1 - choice.weight) * float(lr_mean.mean(dtype=np.float64))
        self.periodic = periodic
        self._fill = NearestFill(periodic=periodic)

    def on(self, *, periodic: bool) -> "Baseline":
        """Return the same method for fields that go round the globe, or do not."""
        other = copy.copy(self)
        other.periodic = periodic
        other._fill = NearestFill(periodic=periodic)
        return other

    def __call__(self, lr: Field, rows: slice = slice(None), columns: slice = slice(None)) -> Field:
        """Return what the method makes of a field.

        Args:
            lr: `[h, w]` in physical units, NaN where there is no value: the whole field.
            rows, columns: the LR window that is wanted; of a grid that goes round the globe its
                columns may end beyond the last one.

        Returns:
            `[H, W]` of the window, float32, in physical units, without gaps. A window has the
            same values as the whole field has there.
        """
        anomaly = self._fill(lr if self.lr_part is None else lr - self.lr_part)
        top, bottom = rows.start or 0, lr.shape[0] if rows.stop is None else rows.stop
        left, right = columns.start or 0, lr.shape[1] if columns.stop is None else columns.stop
        # Turned by so many columns, the window ends with the last one.
        over = max(right - lr.shape[1], 0)
        padded = surrounded(
            np.roll(anomaly, -over, axis=1) if over else anomaly, periodic=self.periodic
        )
        window = padded[top : bottom + 2 * REACH, left - over : right - over + 2 * REACH]
        result = enlarge_padded(self.kernel, window, self.constant)
        if self.hr_part is not None:
            s = self.scale
            part = slice(top * s, bottom * s), slice(left * s, right * s)
            result += cut(self.hr_part, *part)
        return result


def bicubic(scale: int, shape: Sequence[int], *, periodic: bool = False) -> Baseline:
    """Return bicubic interpolation of LR fields of `shape` `[h, w]`."""
    height, width = shape
    return Baseline(
        STANDARD[0],
        bicubic_kernel(scale),
        np.zeros((height, width), np.float32),
        np.zeros((height * scale, width * scale), np.float32),
        periodic=periodic,
    )
