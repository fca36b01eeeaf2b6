"""Where it is wrong: maps of mean error and RMSE, by distance from the coast, and by region."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from srwizard.data.baselines.choice import MODEL
from srwizard.data.grid import Grid
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored

Array = npt.NDArray[np.float64]
COAST_KM = (25.0, 50.0, 100.0, 200.0, 500.0)
COAST_CELLS = (2.0, 4.0, 8.0, 16.0, 32.0)
"""Edges of the bins by distance from the coast."""
SHELF_METRES = 200.0


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
        """Return the RMSE by distance from the coast and by region."""
        found: dict[str, dict[str, Any]] = {}
        for channel, name in enumerate(self.variables):
            sea = self.count[channel].numpy() > 0
            if sea.all() or not sea.any():  # there is no coast
                continue
            cells = ndimage.distance_transform_edt(sea)
            regions = dict(self._regions(sea, cells))
            found[name] = {
                "regions": {
                    region: self._scores(channel, there) for region, there in regions.items()
                },
                "coast": self._by_distance(channel, sea, cells),
            }
        return found

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
    ) -> list[dict[str, Any]]:
        """Return the scores between each two edges, the nearest first."""
        edges, distance, unit = COAST_CELLS, cells, "cells"
        if self.grid is not None:
            spacing = [float(part.mean()) for part in self.grid.spacing_km]
            distance = ndimage.distance_transform_edt(sea, sampling=spacing)
            edges, unit = COAST_KM, "km"
        found = []
        for low, high in zip((0.0, *edges), (*edges, np.inf), strict=True):
            there = sea & (distance > low) & (distance <= high)
            if there.any():
                limits = {"from": low, "to": None if high == np.inf else high, "unit": unit}
                found.append(limits | self._scores(channel, there))
        return found

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
