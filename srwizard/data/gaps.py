"""Points without a value: land, sea ice, clouds."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from srwizard.data.fields import FloatField

BoolField = npt.NDArray[np.bool_]


class NearestFill:
    """Fills gaps with the nearest value there is.

    Interpolation next to a coast would otherwise mix the fill value into the sea. Finding the
    nearest points is the expensive part; land rarely changes from step to step, so the indices
    of the last mask are kept.

    Args:
        periodic: whether the grid goes round the globe, so that the nearest value may lie across
            the seam.
    """

    def __init__(self, *, periodic: bool = False) -> None:
        self._periodic = periodic
        self._mask: BoolField | None = None
        self._gaps: npt.NDArray[np.intp]
        self._nearest: npt.NDArray[np.intp]

    def __call__(self, values: FloatField) -> FloatField:
        """Return `values` `[h, w]` with every NaN replaced; zeros where all is NaN."""
        valid = np.isfinite(values)
        if valid.all():
            return values
        if not valid.any():
            return np.zeros_like(values)
        if self._mask is None or not np.array_equal(valid, self._mask):
            # Nothing is farther than half of the way round.
            width = valid.shape[1]
            reach = (width + 1) // 2 if self._periodic else 0
            rows, columns = ndimage.distance_transform_edt(
                np.pad(~valid, ((0, 0), (reach, reach)), mode="wrap"),
                return_distances=False,
                return_indices=True,
            )[..., reach : reach + width]
            columns = (columns - reach) % width
            self._gaps = np.flatnonzero(~valid)
            self._nearest = np.ravel_multi_index((rows, columns), valid.shape).ravel()[self._gaps]
            self._mask = valid
        filled: FloatField = np.array(values, order="C")
        flat = filled.ravel()
        flat[self._gaps] = flat[self._nearest]
        return filled
