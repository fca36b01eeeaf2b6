"""Longitudes in degrees, in any convention: how far they step, and whether they go round."""

from typing import Any

import numpy as np
import numpy.typing as npt

FEWEST_COLUMNS = 3
SEAM_TOLERANCE = 0.5
"""By how much of a column's width the step across the seam may differ from the others."""
SAME_MERIDIAN = 1e-3
"""By how much of a column's width longitudes of one meridian may differ: they are rounded."""
Array = npt.NDArray[np.float64]


def longitude_steps(longitude: npt.NDArray[np.floating[Any]], axis: int = -1) -> Array:
    """Return the steps eastward between neighbours, from -180 on and below 180."""
    steps: Array = np.diff(np.asarray(longitude, np.float64), axis=axis)
    return _shortest(steps)


def goes_on_at_its_beginning(longitude: npt.NDArray[np.floating[Any]]) -> bool:
    """Return whether the last column `[..., W]` is the western neighbour of the first.

    (Or the eastern one, where longitudes fall.) A first column that is there twice is none.
    """
    if longitude.shape[-1] < FEWEST_COLUMNS:
        return False
    width = np.median(longitude_steps(longitude), axis=-1)
    seam = _shortest(np.asarray(longitude[..., 0] - longitude[..., -1], np.float64))
    return bool((np.abs(seam - width) < SEAM_TOLERANCE * np.abs(width)).all())


def repeats_its_beginning(longitude: npt.NDArray[np.floating[Any]]) -> bool:
    """Return whether the last column `[W]` is the first one again, once around the globe."""
    if longitude.shape[-1] <= FEWEST_COLUMNS:
        return False
    around = float(longitude_steps(longitude).sum())
    width = 360.0 / (longitude.shape[-1] - 1)
    return bool(abs(abs(around) - 360.0) < SAME_MERIDIAN * width)


def _shortest(steps: Array) -> Array:
    found: Array = (steps + 180) % 360 - 180
    return found
