"""Groups of points that belong together: regions, distances from the coast, bands of latitude."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from srwizard.data.grid import Grid
from srwizard.train.diagnostics.coast import cells_from_land, km_from_land

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
COAST_KM = (25.0, 50.0, 100.0, 200.0, 500.0)
COAST_CELLS = (2.0, 4.0, 8.0, 16.0, 32.0)
"""Edges of the bins by distance from the coast."""
SHELF_METRES = 200.0
BAND_DEGREES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""How wide a band of latitudes can be."""
MOST_BANDS = 18
REGIONS, COAST, LATITUDE = "regions", "coast", "latitude"


class Group(NamedTuple):
    """Points that are told of together.

    Attributes:
        kind: `REGIONS`, `COAST` or `LATITUDE`; each point of the sea is in one group of a kind.
        told: what tells it from the others of its kind, for JSON.
        there: its points, `[H, W]`.
    """

    kind: str
    told: Mapping[str, Any]
    there: Mask


def groups_of(
    sea: Mask, grid: Grid | None, depth: Array | None, coast_cells: float, *, periodic: bool
) -> list[Group]:
    """Return the groups that have a point; no regions and distances where there is no coast.

    Args:
        sea: `[H, W]`.
        grid: of HR; None where there are no coordinates.
        depth: of the sea floor `[H, W]` in metres, positive downwards; None: not known.
        coast_cells: how far the coast reaches into the sea, in HR cells.
        periodic: whether the last column is the neighbour of the first.
    """
    if not sea.any():
        return []
    found = [] if grid is None else list(_by_latitude(sea, grid.lat))
    if not sea.all():
        cells = cells_from_land(sea, periodic=periodic)
        found += [*_regions(sea, cells, depth, coast_cells), *_by_distance(sea, cells, grid)]
    return [group for group in found if group.there.any()]


def _by_latitude(sea: Mask, latitude: Array) -> Iterator[Group]:
    """Yield the bands of latitudes, southernmost first."""
    degrees = band_degrees(latitude[sea])
    # The pole belongs to the last band; what is rounded are latitudes such as 0.30000001.
    band = np.floor(np.round(latitude / degrees, 6)).clip(max=round(90 / degrees) - 1)
    for at in np.unique(band[sea]).tolist():
        limits = {"from": round(at * degrees, 2), "to": round((at + 1) * degrees, 2)}
        yield Group(LATITUDE, limits, sea & (band == at))


def band_degrees(latitude: Array) -> float:
    """Return how wide bands must be for `latitude` to fall into no more than `MOST_BANDS`."""
    extent = float(np.ptp(latitude))
    return next((wide for wide in BAND_DEGREES if extent <= MOST_BANDS * wide), BAND_DEGREES[-1])


def _regions(sea: Mask, cells: Array, depth: Array | None, coast_cells: float) -> Iterator[Group]:
    coast = sea & (cells <= coast_cells)
    shelf = sea & (depth < SHELF_METRES) if depth is not None else np.zeros_like(sea)
    named = {"coast": coast, "shelf": shelf & ~coast, "open_sea": sea & ~coast & ~shelf}
    for name, there in named.items():
        yield Group(REGIONS, {"region": name}, there)


def _by_distance(sea: Mask, cells: Array, grid: Grid | None) -> Iterator[Group]:
    """Yield what lies between each two edges, the nearest first."""
    edges, distance, unit = COAST_CELLS, cells, "cells"
    if grid is not None:
        distance = km_from_land(sea, grid, farthest=COAST_KM[-1])
        edges, unit = COAST_KM, "km"
    within = np.digitize(distance, edges, right=True)
    for at, (low, high) in enumerate(pairwise((0.0, *edges, None))):
        yield Group(COAST, {"from": low, "to": high, "unit": unit}, sea & (within == at))
