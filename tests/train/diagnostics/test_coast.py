"""Distances from land, against every pair of points by the haversine formula."""

import numpy as np
import numpy.typing as npt
import pytest

from srwizard.data.grid import EARTH_RADIUS_KM, Grid
from srwizard.train.diagnostics.coast import cells_from_land, km_from_land

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
HALFWAY_ROUND = np.pi * EARTH_RADIUS_KM


def by_haversine(sea: Mask, grid: Grid) -> Array:
    """The distance of every point from every point of land, of which the least."""
    lon, lat = np.deg2rad(grid.lon), np.deg2rad(grid.lat)
    found = np.zeros(sea.shape)
    for place in zip(*np.nonzero(sea), strict=True):
        north, east = lat[~sea] - lat[place], lon[~sea] - lon[place]
        half = np.sin(north / 2) ** 2 + np.cos(lat[place]) * np.cos(lat[~sea]) * (
            np.sin(east / 2) ** 2
        )
        found[place] = (2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(half))).min()
    return found


def curvilinear() -> Grid:
    """Rows that are no parallels, of steps between 30 and 400 km."""
    y, x = np.meshgrid(np.linspace(-1, 1, 22), np.linspace(-1, 1, 31), indexing="ij")
    return Grid(lon=40 + 35 * x + 12 * y**2, lat=30 + 38 * y**3 + 10 * y + 6 * np.sin(3 * x))


def globe(first: float = 0.0, columns: int = 36) -> Grid:
    lat, lon = np.meshgrid(
        np.linspace(-85, 85, 18), first + np.arange(columns) * 360 / columns, indexing="ij"
    )
    return Grid(lon, lat)


@pytest.mark.parametrize("grid", [curvilinear(), globe(), globe(-180.0)])
@pytest.mark.parametrize("share_of_land", [0.003, 0.3])
def test_kilometres_on_any_grid(grid: Grid, share_of_land: float) -> None:
    sea = np.random.default_rng(3).random(grid.lat.shape) > share_of_land
    assert not sea.all()
    expected = by_haversine(sea, grid)
    found = km_from_land(sea, grid, farthest=HALFWAY_ROUND)
    assert found == pytest.approx(expected, rel=1e-9)
    near = km_from_land(sea, grid, farthest=500)
    assert near == pytest.approx(np.where(expected < 500, expected, np.inf), rel=1e-9)


def test_land_beyond_the_seam_is_near() -> None:
    sea = np.ones((18, 36), dtype=bool)
    sea[:, 0] = False
    found = km_from_land(sea, globe(), farthest=HALFWAY_ROUND)
    assert found[:, -1] == pytest.approx(found[:, 1])
    assert found == pytest.approx(by_haversine(sea, globe()))


def test_cells_across_the_seam_are_those_of_the_rolled_grid() -> None:
    random = np.random.default_rng(1)
    sea = random.random((12, 41)) > 0.02
    found = cells_from_land(sea, periodic=True)
    for columns in (1, 20, 40):
        rolled = cells_from_land(np.roll(sea, columns, axis=1), periodic=True)
        assert rolled == pytest.approx(np.roll(found, columns, axis=1))
    rows, places = np.nonzero(~sea)
    y, x = np.indices(sea.shape)
    across = np.abs(x[..., None] - places)
    across = np.minimum(across, sea.shape[1] - across)
    assert found == pytest.approx(np.hypot(y[..., None] - rows, across).min(axis=-1))


def test_cells_of_a_grid_with_borders() -> None:
    sea = np.ones((5, 9), dtype=bool)
    sea[:, 0] = False
    assert cells_from_land(sea, periodic=False)[0].tolist() == list(range(9))
    assert cells_from_land(sea, periodic=True)[0].tolist() == [0, 1, 2, 3, 4, 4, 3, 2, 1]
