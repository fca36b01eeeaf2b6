"""Where it is wrong: on maps, by distance from the coast, by region, and by latitude."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srwizard.data.baselines.choice import MODEL
from srwizard.data.grid import Grid
from srwizard.train.diagnostics.bootstrap import errors_of
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored
from srwizard.train.diagnostics.groups import REGIONS, Group, groups_of
from srwizard.train.simple_methods import BEST

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
LARGE_ERRORS = 0.95
"""The quantile, over the points, that tells how large the RMSE is where it is large."""


@dataclass
class Places(Diagnostic):
    """Sums over the steps at each point, and over the points of each group in each step.

    Args:
        variables: names of the channels.
        sea: `[C, H, W]`, where HR can have a value; nowhere else is anything added.
        grid: of HR; None where there are no coordinates.
        depth: of the sea floor `[H, W]` in metres, positive downwards; None: not known.
        coast_cells: how far the coast reaches into the sea, in HR cells.
        members: of the ensemble, 1 of a single field.
        steps: of the split.
        periodic: whether the last column is the neighbour of the first.
        squared: `[M, C, H, W]`, of each of `METHODS`.
        error: the same, with its sign.
        count: `[C, H, W]`, steps with a value.
        grouped: `[M + 2, C, N, G]`, squares of each of `METHODS`, variance of the ensemble, points.
    """

    variables: Sequence[str]
    sea: Mask
    grid: Grid | None
    depth: Array | None
    coast_cells: float
    members: int
    steps: int
    periodic: bool = False
    squared: Tensor = field(init=False)
    error: Tensor = field(init=False)
    count: Tensor = field(init=False)
    grouped: Tensor = field(init=False)
    _groups: list[list[Group]] = field(init=False)
    _cells: list[tuple[npt.NDArray[np.intp], Array]] = field(init=False)

    def __post_init__(self) -> None:
        self._groups = [
            groups_of(sea, self.grid, self.depth, self.coast_cells, periodic=self.periodic)
            for sea in self.sea
        ]
        self._cells = [_cells_of(groups, self.sea[0].size) for groups in self._groups]
        self.count = torch.zeros(self.sea.shape, dtype=torch.float64)
        self.squared = self.count.repeat(len(METHODS), 1, 1, 1)
        self.error = self.squared.clone()
        shape = len(self.sea), self.steps, max(map(len, self._groups))
        self.grouped = torch.zeros(len(METHODS) + 2, *shape, dtype=torch.float64)

    def add(self, at: Scored) -> None:
        """Add a batch."""
        steps, points = list(at.indices), at.mask.double().cpu()
        self.count += points.sum(dim=0)
        self.grouped[-1][:, steps] += self._by_groups(points)
        for place, name in enumerate(METHODS):
            error = torch.where(at.mask, at.fields[name] - at.truth, 0.0).double().cpu()
            squared = error.square()
            self.error[place] += error.sum(dim=0)
            self.squared[place] += squared.sum(dim=0)
            self.grouped[place][:, steps] += self._by_groups(squared)
        if at.members is not None:
            variance = torch.where(at.mask, at.members.var(dim=0), 0.0).double().cpu()
            self.grouped[-2][:, steps] += self._by_groups(variance)

    def _by_groups(self, values: Tensor) -> Tensor:
        """Sum `[B, C, H, W]` up over the points of each group, `[C, B, G]`."""
        found = torch.zeros(values.shape[1], len(values), self.grouped.shape[-1]).double()
        for channel, (cells, belong) in enumerate(self._cells):
            for place, sample in enumerate(values[:, channel].numpy()):
                sums = np.bincount(cells, sample.ravel(), len(belong)) @ belong
                found[channel, place, : len(sums)] = torch.from_numpy(sums)
        return found

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the RMSE by latitude, by distance from the coast and by region; and on the map."""
        found: dict[str, dict[str, Any]] = {}
        for channel, name in enumerate(self.variables):
            seen = self.count[channel].numpy() > 0
            if seen.any():
                found[name] = {"map": self._map(channel, seen), **self._of_groups(channel)}
        return found

    def _of_groups(self, channel: int) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for group, sums in self._with_points(channel):
            scores = self._scores(sums)
            if group.kind == REGIONS:
                told.setdefault(REGIONS, {})[group.told["region"]] = scores
            else:
                told.setdefault(group.kind, []).append({**group.told, **scores})
        return told

    def _with_points(self, channel: int) -> Iterator[tuple[Group, Array]]:
        """Yield the groups in which something was scored, with their sums `[M + 2, N]`."""
        for place, group in enumerate(self._groups[channel]):
            sums = self.grouped[:, channel, :, place].numpy()
            if sums[-1].any():
                yield group, sums

    def _map(self, channel: int, seen: Mask) -> dict[str, Any]:
        """Sum up the maps of mean error and of RMSE."""
        count = self.count[channel].numpy()[seen]
        mean = self.error[:, channel].numpy()[:, seen] / count
        rmse = np.sqrt(self.squared[:, channel].numpy()[:, seen] / count)
        rows, columns = np.nonzero(seen)
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

    def _scores(self, sums: Array) -> dict[str, Any]:
        """Return what the sums `[M + 2, N]` of a group say of it."""
        *squared, variance, _points = sums.sum(axis=1) / sums[-1].sum()
        told = errors_of(dict(zip(METHODS, sums, strict=False)), sums[-1])
        if self.members > 1:
            adjusted = (self.members + 1) / self.members * variance
            told[MODEL]["spread"] = float(np.sqrt(variance))
            told[MODEL]["ratio"] = float(np.sqrt(adjusted / squared[0]))
        return told

    def arrays(self) -> Mapping[str, npt.NDArray[np.generic]]:
        """Return the maps of mean error and RMSE, `[M, C, H, W]`, NaN where nothing was seen."""
        count = torch.where(self.count > 0, self.count, torch.nan)
        return {
            "places_mean_error": (self.error / count).float().numpy(),
            "places_rmse": (self.squared / count).sqrt().float().numpy(),
        }


def _cells_of(groups: Sequence[Group], size: int) -> tuple[npt.NDArray[np.intp], Array]:
    """Return the parts of the grid that no group divides: each sum is taken over them once.

    Returns:
        `[H * W]`, the part of each point, and `[K, G]`, 1 where part k is in group g.
    """
    if not groups:
        return np.zeros(size, np.intp), np.zeros((1, 0))
    bits = 1 << np.arange(len(groups))
    codes = sum(bit * group.there.astype(np.int64) for bit, group in zip(bits, groups, strict=True))
    parts, cells = np.unique(codes, return_inverse=True)
    return cells.ravel(), (parts[:, None] & bits > 0).astype(np.float64)
