"""What people have at hand as an array of fields: of NumPy, xarray, or netCDF4 with its mask."""

from typing import Any

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import translate as _


def plain_array(values: Any, name: str) -> npt.NDArray[np.floating[Any]]:
    """Return an array of real numbers, NaN where a masked array has no value.

    Args:
        values: whatever NumPy makes an array of.
        name: of the argument, for messages.

    Raises:
        UsageError: it holds no real numbers.
        DatasetError: it holds infinite ones.
    """
    array = np.ma.asanyarray(values) if np.ma.isMaskedArray(values) else np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise UsageError(
            _("{name} holds {dtype}, not real numbers", name=name, dtype=str(array.dtype))
        )
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    # What stands under the mask may be anything, and often is 0.
    found: npt.NDArray[np.floating[Any]] = np.ma.filled(array, np.nan)
    if np.isinf(found).any():
        raise DatasetError(
            _("{name} holds infinite values", name=name), _("NaN marks what is missing.")
        )
    return found
