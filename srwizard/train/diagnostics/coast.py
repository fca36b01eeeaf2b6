"""How far the sea is from the nearest land: in km on the sphere, or in cells of the grid."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from srwizard.data.grid import EARTH_RADIUS_KM, Grid

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def cells_from_land(sea: Mask, *, periodic: bool) -> Array:
    """Return the distance of each point from the nearest that is not sea, `[H, W]`, in cells.

    Args:
        sea: `[H, W]`; not all of it.
        periodic: whether the last column is the neighbour of the first.
    """
    width = sea.shape[1]
    beside = width // 2 + 1 if periodic else 0
    around = np.pad(sea, ((0, 0), (beside, beside)), mode="wrap")
    found: Array = ndimage.distance_transform_edt(around)[:, beside : beside + width]
    return found


def km_from_land(sea: Mask, grid: Grid, farthest: float) -> Array:
    """Return the great-circle distance of each point from the nearest that is not sea, `[H, W]`.

    The nearest point of the sphere is the nearest in space too, where it is looked for.

    Args:
        sea: `[H, W]`; not all of it.
        grid: the coordinates of the points.
        farthest: distance in km, at most half around the globe; what is farther away is infinite.
    """
    points = _on_unit_sphere(grid)
    longest = 2 * np.sin(farthest / EARTH_RADIUS_KM / 2)
    chords, _places = cKDTree(points[~sea]).query(points[sea], distance_upper_bound=longest)
    found = np.zeros(sea.shape)
    found[sea] = np.where(
        np.isfinite(chords), 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chords, 2) / 2), np.inf
    )
    return found


def _on_unit_sphere(grid: Grid) -> Array:
    """Return the points `[H, W, 3]`."""
    lon, lat = np.deg2rad(grid.lon), np.deg2rad(grid.lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
