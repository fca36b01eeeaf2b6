"""Currents and winds as vectors: speed, direction, kinetic energy, vorticity, divergence.

Differentials are those on the sphere, by central differences, where there are coordinates:
vorticity = dv/dx - d(u cos(lat))/dy / cos(lat), divergence = du/dx + d(v cos(lat))/dy / cos(lat)
(Holton & Hakim 2013, An Introduction to Dynamic Meteorology, section 4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from srwizard.data.grid import METRES_PER_KM, Grid
from srwizard.train.diagnostics.bootstrap import intervals_of, totals_of
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored
from srwizard.train.diagnostics.gradients import Spacing, derivatives

SUMS = (
    "speed", "points", "energy", "energy_bias", "energy_truth", "turn", "turn_weight",
    "inner", "vorticity", "divergence",
)  # fmt: skip
"""Squared errors, but for counts; `turn` is the angle between the vectors, weighted by the speed of
the truth; `inner` counts the points that have a derivative."""


@dataclass
class Vectors(Diagnostic):
    """Errors of vectors.

    Args:
        variables: names of the channels.
        pairs: the channels of eastward and northward components.
        spacing: of the grid.
        cosine: of the latitude `[H, W]`, 1 where there are no coordinates.
        northward, eastward: 1 where rows run north (columns east), -1 where the other way.
        count: of steps.
        sums: `[M, P, N, S]`, see `SUMS`.
    """

    variables: Sequence[str]
    pairs: Sequence[tuple[int, int]]
    spacing: Spacing
    cosine: Tensor
    northward: float
    eastward: float
    count: int
    sums: Tensor = field(init=False)

    def __post_init__(self) -> None:
        shape = len(METHODS), len(self.pairs), self.count, len(SUMS)
        self.sums = torch.zeros(shape, dtype=torch.float64)

    @classmethod
    def of(
        cls,
        variables: Sequence[str],
        pairs: Sequence[tuple[int, int]],
        grid: Grid | None,
        shape: tuple[int, int],
        count: int,
        *,
        periodic: bool = False,
    ) -> "Vectors":
        """Return one for `count` fields of `shape` `[H, W]`."""
        spacing = Spacing.of(grid, shape, periodic=periodic)
        if grid is None:
            return cls(variables, pairs, spacing, torch.ones(shape), 1.0, 1.0, count)
        cosine = torch.from_numpy(grid.lat).deg2rad().cos().clamp(min=1e-3).float()
        north = 1.0 if grid.lat[-1].mean() >= grid.lat[0].mean() else -1.0
        turn = (grid.lon[:, 1:] - grid.lon[:, :-1] + 180) % 360 - 180
        east = 1.0 if turn.mean() >= 0 else -1.0
        return cls(variables, pairs, spacing, cosine, north, east, count)

    def add(self, at: Scored) -> None:
        """Add a batch."""
        for pair, (east, north) in enumerate(self.pairs):
            mask = at.mask[:, east] & at.mask[:, north]
            truth = at.truth[:, east], at.truth[:, north]
            for place, name in enumerate(METHODS):
                found = at.fields[name][:, east], at.fields[name][:, north]
                self.sums[place, pair, list(at.indices)] += self._compared(found, truth, mask).cpu()

    def _compared(
        self, found: tuple[Tensor, Tensor], truth: tuple[Tensor, Tensor], mask: Tensor
    ) -> Tensor:
        """Return the sums `[B, S]` of each step."""
        (u, v), (true_u, true_v) = (
            [torch.where(mask, part, 0.0) for part in pair] for pair in (found, truth)
        )
        speed, true_speed = torch.hypot(u, v), torch.hypot(true_u, true_v)
        energy, true_energy = speed.square() / 2, true_speed.square() / 2
        turn = torch.atan2(u * true_v - v * true_u, u * true_u + v * true_v)
        (vorticity, divergence, inner), (true_vorticity, true_divergence, _inner) = (
            self._rotation(*pair, mask) for pair in ((u, v), (true_u, true_v))
        )
        parts = (
            (speed - true_speed).square(),
            mask,
            (energy - true_energy).square(),
            energy - true_energy,
            true_energy,
            true_speed * turn.square(),
            true_speed,
            inner,
            torch.where(inner, vorticity - true_vorticity, 0.0).square(),
            torch.where(inner, divergence - true_divergence, 0.0).square(),
        )
        return torch.stack([part.double().sum(dim=(1, 2)) for part in parts], dim=1)

    def _rotation(self, u: Tensor, v: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return vorticity, divergence and where they are, at the points of `spacing.inner`."""
        cosine = self.cosine.to(u.device)
        inner = self.spacing.inner(cosine)
        u_y, _u_x, there = derivatives(u * cosine, mask, self.spacing)
        v_y, _v_x, _there = derivatives(v * cosine, mask, self.spacing)
        _u_y, u_x, _there = derivatives(u, mask, self.spacing)
        _v_y, v_x, _there = derivatives(v, mask, self.spacing)
        vorticity = self.eastward * v_x - self.northward * u_y / inner
        divergence = self.eastward * u_x + self.northward * v_y / inner
        return vorticity, divergence, there

    def numbers(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the errors of each pair, by its two names joined by a comma.

        Speeds and energy are in the unit of the components, and its square; directions in degrees;
        vorticity and divergence in that unit per second where it is m/s and there are coordinates,
        else per cell.
        """
        found: dict[str, dict[str, Any]] = {}
        for (east, north), sums in zip(self.pairs, self.sums.unbind(1), strict=True):
            told: dict[str, Any] = {"per": "m" if self.spacing.unit == "km" else "cell"}
            told |= totals_of(sums, self._scores)
            told["interval"] = intervals_of(sums, self._scores)
            found[f"{self.variables[east]},{self.variables[north]}"] = {"vector": told}
        return found

    def _scores(self, sums: Tensor) -> dict[str, Tensor]:
        per = METRES_PER_KM if self.spacing.unit == "km" else 1.0
        it = dict(zip(SUMS, sums.unbind(-1), strict=True))
        return {
            "speed_rmse": (it["speed"] / it["points"]).sqrt(),
            "direction_rmse": (it["turn"] / it["turn_weight"]).sqrt().rad2deg(),
            "kinetic_energy_rmse": (it["energy"] / it["points"]).sqrt(),
            "kinetic_energy_bias": it["energy_bias"] / it["energy_truth"],
            "vorticity_rmse": (it["vorticity"] / it["inner"]).sqrt() / per,
            "divergence_rmse": (it["divergence"] / it["inner"]).sqrt() / per,
        }
