"""Going through a field a band of rows at a time."""

from typing import Any

import numpy as np
import numpy.typing as npt

BAND_BYTES = 2**19
"""So much of a field at a time: what is made of it on the way stays in the processor's cache."""


def bands(field: npt.NDArray[np.floating[Any]], multiple: int = 1) -> list[slice]:
    """Return the rows of each band of `[N]` or `[H, W]`.

    Args:
        field: it has at least one row.
        multiple: every band but the last has a multiple of so many rows.
    """
    rows = max(1, BAND_BYTES // max(1, field.nbytes // len(field)) // multiple) * multiple
    return [slice(first, first + rows) for first in range(0, len(field), rows)]
