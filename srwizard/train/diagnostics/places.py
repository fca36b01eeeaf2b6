"""Where it is wrong: on maps, by distance from the coast, by region, and by latitude."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srwizard.data.baselines.choice import MODEL
from srwizard.data.grid import Grid
from srwizard.train.diagnostics.coast import cells_from_land, km_from_land
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored
from srwizard.train.simple_methods import BEST

Array = npt.NDArray[np.float64]
COAST_KM = (25.0, 50.0, 100.0, 200.0, 500.0)
COAST_CELLS = (2.0, 4.0, 8.0, 16.0, 32.0)
"""Edges of the bins by distance from the coast."""
SHELF_METRES = 200.0
BAND_DEGREES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""How wide a band of latitudes can be."""
MOST_BANDS = 18
LARGE_ERRORS = 0.95
"""The quantile, over the points, that tells how large the RMSE is where it is large."""


@dataclass
class Places(Diagnostic):
    """Sums over the steps, at each point.

    Args:
        variables: names of the channels.
        shape: `[H, W]` of HR.
        grid: of HR; None where there are no coordinates.
        depth: of the sea floor `[H, W]` in metres, positive downwards; None: not known.
        coast_cells: how far the coast reaches into the sea, in HR cells.
        members: of the ensemble, 1 of a single field.
        periodic: whether the last column is the neighbour of the first.
        squared: `[M, C, H, W]`, of each of `METHODS`.
        error: the same, with its sign.
        variance: `[C, H, W]`, of the ensemble.
        count: `[C, H, W]`, steps with a value.
    """

    variables: Sequence[str]
    shape: tuple[int, int]
    grid: Grid | None
    depth: Array | None
    coast_cells: float
    members: int
    periodic: bool = False
    squared: Tensor = field(init=False)
    error: Tensor = field(init=False)
    variance: Tensor = field(init=False)
    count: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.count = torch.zeros(len(self.variables), *self.shape, dtype=torch.float64)
        self.variance = self.count.clone()
        self.squared = self.count.repeat(len(METHODS), 1, 1, 1)
        self.error = self.squared.clone()

    def add(self, at: Scored) -> None:
        """Add a batch."""
        self.count += at.mask.sum(dim=0).cpu()
        for place, name in enumerate(METHODS):
            error = torch.where(at.mask, at.fields[name] - at.truth, 0.0).double()
            self.error[place] += error.sum(dim=0).cpu()
            self.squared[place] += error.square().sum(dim=0).cpu()
        if at.members is not None:
            variance = torch.where(at.mask, at.members.var(dim=0), 0.0).double()
            self.variance += variance.sum(dim=0).cpu()

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the RMSE by latitude, by distance from the coast and by region; and on the map."""
        found: dict[str, dict[str, Any]] = {}
        for channel, name in enumerate(self.variables):
            sea = self.count[channel].numpy() > 0
            if not sea.any():
                continue
            told = found[name] = {"map": self._map(channel, sea)}
            if self.grid is not None:
                told["latitude"] = list(self._by_latitude(channel, sea, self.grid.lat))
            if sea.all():  # there is no coast
                continue
            cells = cells_from_land(sea, periodic=self.periodic)
            told["regions"] = {
                region: self._scores(channel, there) for region, there in self._regions(sea, cells)
            }
            told["coast"] = list(self._by_distance(channel, sea, cells))
        return found

    def _map(self, channel: int, sea: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """Sum up the maps of mean error and of RMSE."""
        count = self.count[channel].numpy()[sea]
        mean = self.error[:, channel].numpy()[:, sea] / count
        rmse = np.sqrt(self.squared[:, channel].numpy()[:, sea] / count)
        rows, columns = np.nonzero(sea)
        told: dict[str, Any] = {
            "points": len(count),
            "better": float(np.mean(rmse[METHODS.index(MODEL)] < rmse[METHODS.index(BEST)])),
        }
        for method, means, errors in zip(METHODS, mean, rmse, strict=True):
            worst = int(errors.argmax())
            place = int(rows[worst]), int(columns[worst])
            where: dict[str, Any] = {"rmse": float(errors[worst])}
            where |= dict(zip(("row", "column"), place, strict=True))
            if self.grid is not None:
                where |= {"lon": float(self.grid.lon[place]), "lat": float(self.grid.lat[place])}
            told[method] = {
                "mean_error_rms": float(np.sqrt(np.mean(means**2))),
                "rmse_p95": float(np.quantile(errors, LARGE_ERRORS)),
                "worst": where,
            }
        return told

    def _by_latitude(
        self, channel: int, sea: npt.NDArray[np.bool_], latitude: Array
    ) -> Iterator[dict[str, Any]]:
        """Yield the scores of each band of latitudes, southernmost first."""
        degrees = band_degrees(latitude[sea])
        # The pole belongs to the last band; what is rounded are latitudes such as 0.30000001.
        band = np.floor(np.round(latitude / degrees, 6)).clip(max=round(90 / degrees) - 1)
        for at in np.unique(band[sea]).tolist():
            limits = {"from": round(at * degrees, 2), "to": round((at + 1) * degrees, 2)}
            yield limits | self._scores(channel, sea & (band == at))

    def _regions(
        self, sea: npt.NDArray[np.bool_], cells: Array
    ) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """Yield the regions that have a point."""
        coast = sea & (cells <= self.coast_cells)
        shelf = sea & (self.depth < SHELF_METRES) if self.depth is not None else np.zeros_like(sea)
        named = {"coast": coast, "shelf": shelf & ~coast, "open_sea": sea & ~coast & ~shelf}
        yield from ((name, there) for name, there in named.items() if there.any())

    def _by_distance(
        self, channel: int, sea: npt.NDArray[np.bool_], cells: Array
    ) -> Iterator[dict[str, Any]]:
        """Yield the scores between each two edges, the nearest first."""
        edges, distance, unit = COAST_CELLS, cells, "cells"
        if self.grid is not None:
            distance = km_from_land(sea, self.grid, farthest=COAST_KM[-1])
            edges, unit = COAST_KM, "km"
        within = np.digitize(distance, edges, right=True)
        for at, (low, high) in enumerate(pairwise((0.0, *edges, None))):
            there = sea & (within == at)
            if there.any():
                limits = {"from": low, "to": high, "unit": unit}
                yield limits | self._scores(channel, there)

    def _scores(self, channel: int, there: npt.NDArray[np.bool_]) -> dict[str, Any]:
        where = torch.from_numpy(there)
        points = self.count[channel][where].sum()
        squared = self.squared[:, channel][:, where].sum(dim=1) / points
        told: dict[str, Any] = {
            method: {"rmse": float(value.sqrt())}
            for method, value in zip(METHODS, squared, strict=True)
        }
        if self.members > 1:
            variance = self.variance[channel][where].sum() / points
            adjusted = (self.members + 1) / self.members * variance
            told[MODEL]["spread"] = float(variance.sqrt())
            told[MODEL]["ratio"] = float((adjusted / squared[0]).sqrt())
        return told | {"points": float(points)}

    def arrays(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """Return the maps of mean error and RMSE, `[M, C, H, W]`, NaN where nothing was seen."""
        count = torch.where(self.count > 0, self.count, torch.nan)
        return {
            "places_mean_error": (self.error / count).float().numpy(),
            "places_rmse": (self.squared / count).sqrt().float().numpy(),
        }


def band_degrees(latitude: Array) -> float:
    """Return how wide bands must be for `latitude` to fall into no more than `MOST_BANDS`."""
    extent = float(np.ptp(latitude))
    return next((wide for wide in BAND_DEGREES if extent <= MOST_BANDS * wide), BAND_DEGREES[-1])
