"""Where the points of a grid are on the sphere, and how far apart."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.data.layout import Contents
from srwizard.data.longitudes import goes_on_at_its_beginning
from srwizard.data.statics import LATITUDE, read_static

LONGITUDE = "lon"
EARTH_RADIUS_KM = 6371.0
METRES_PER_KM = 1000.0
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Longitudes and latitudes `[H, W]` in degrees."""

    lon: Array
    lat: Array

    @cached_property
    def spacing_km(self) -> tuple[Array, Array]:
        """How far apart neighbours are along columns and along rows, `[H, W]` each, in km.

        In the interior half of the way between the neighbours on either side, as central
        differences need it; never 0.
        """
        return _spacing(self.lon, self.lat, axis=0), _spacing(self.lon, self.lat, axis=1)

    @cached_property
    def mean_spacing_km(self) -> float:
        """The side of a square that has the area of a mean cell, in km."""
        dy, dx = self.spacing_km
        return float(np.sqrt(np.mean(dy * dx)))


def grid_of(contents: Contents, shape: tuple[int, int]) -> Grid | None:
    """Return the grid of HR by its static fields `lon` and `lat`; None where there are none.

    Args:
        contents: the dataset.
        shape: `[H, W]` of HR.
    """
    try:
        lon, lat = (read_static(contents, "hr", name, shape) for name in (LONGITUDE, LATITUDE))
    except DatasetError:
        return None
    if not (np.isfinite(lon).all() and (np.abs(lat) <= 90.001).all()):
        return None
    return Grid(np.array(lon), np.array(lat))


def goes_round(contents: Contents, shape: tuple[int, int]) -> bool:
    """Return whether the last column of the grid is the western neighbour of the first.

    As was answered, else by the longitudes: those of each row go on from its end to its beginning.

    Args:
        contents: the dataset.
        shape: `[H, W]` of HR.
    """
    if contents.periodic is not None:
        return contents.periodic
    grid = grid_of(contents, shape)
    return grid is not None and goes_on_at_its_beginning(grid.lon)


def _spacing(lon: Array, lat: Array, axis: int) -> Array:
    if lon.shape[axis] < 2:
        return np.ones_like(lon)
    steps = _distance_km(
        *(np.take(part, range(part.shape[axis] - 1), axis) for part in (lon, lat)),
        *(np.take(part, range(1, part.shape[axis]), axis) for part in (lon, lat)),
    )
    first, last = (np.take(steps, [place], axis) for place in (0, -1))
    before, after = np.concatenate([first, steps], axis), np.concatenate([steps, last], axis)
    smallest = 1e-6 * max(float(steps.max()), 1e-6)
    spacing: Array = np.maximum((before + after) / 2, smallest)
    return spacing


def _distance_km(lon1: Array, lat1: Array, lon2: Array, lat2: Array) -> Array:
    """Return great-circle distances by the haversine formula."""
    a, b = np.deg2rad(lat1), np.deg2rad(lat2)
    across = np.sin((b - a) / 2) ** 2
    along = np.sin(np.deg2rad(lon2 - lon1) / 2) ** 2
    half = np.sqrt(np.clip(across + np.cos(a) * np.cos(b) * along, 0, 1))
    found: Array = 2 * EARTH_RADIUS_KM * np.arcsin(half)
    return found
