"""The currents that a sea level implies: geostrophic speed, away from the equator."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from srwizard.data.grid import METRES_PER_KM, Grid
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored
from srwizard.train.diagnostics.gradients import Spacing, derivatives

SEA_LEVEL = ("ssh", "sla", "adt", "zos", "msl_sla", "sossheig", "surf_el", "sea_surface_height",
             "sea_level", "sea_level_anomaly")  # fmt: skip
"""Names of sea level in the archives, in lower case."""
GRAVITY = 9.81
ROTATION = 7.2921e-5
"""Of the earth, per second."""
LEAST_LATITUDE = 5.0


@dataclass
class Geostrophy(Diagnostic):
    """Errors of the speed g / |f| |grad(sea level)|, in m/s where sea level is in m.

    Args:
        variables: names of the channels.
        channels: those that are sea level.
        spacing: of the grid, in km.
        factor: g / |f| `[H, W]`, 0 near the equator.
        squared: `[M, S]`, squared errors.
        points: `[S]`.
    """

    variables: Sequence[str]
    channels: Sequence[int]
    spacing: Spacing
    factor: Tensor
    squared: Tensor = field(init=False)
    points: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.squared = torch.zeros(len(METHODS), len(self.channels), dtype=torch.float64)
        self.points = torch.zeros(len(self.channels), dtype=torch.float64)

    @classmethod
    def of(cls, variables: Sequence[str], grid: Grid, *, periodic: bool = False) -> "Geostrophy":
        """Return one for the sea levels among `variables`."""
        channels = [at for at, name in enumerate(variables) if name.lower() in SEA_LEVEL]
        latitude = torch.from_numpy(grid.lat)
        coriolis = 2 * ROTATION * latitude.deg2rad().sin().abs()
        factor = torch.where(latitude.abs() >= LEAST_LATITUDE, GRAVITY / coriolis, 0.0)
        shape = grid.lat.shape[0], grid.lat.shape[1]
        spacing = Spacing.of(grid, shape, periodic=periodic)
        return cls(variables, channels, spacing, factor / METRES_PER_KM)

    def add(self, at: Scored) -> None:
        """Add a batch."""
        if not self.channels:
            return
        chosen = list(self.channels)
        truth, there = self._speed(at.truth[:, chosen], at.mask[:, chosen])
        self.points += there.sum(dim=(0, 2, 3)).double().cpu()
        for place, name in enumerate(METHODS):
            speed, _there = self._speed(at.fields[name][:, chosen], at.mask[:, chosen])
            error = torch.where(there, speed - truth, 0.0).square()
            self.squared[place] += error.sum(dim=(0, 2, 3)).cpu()

    def _speed(self, level: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        factor = self.spacing.inner(self.factor).to(level.device)
        along_y, along_x, there = derivatives(level, mask, self.spacing)
        return torch.hypot(along_y, along_x).double() * factor, there & (factor > 0)

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the RMSE of each sea level's geostrophic speed."""
        return {
            self.variables[channel]: {
                "geostrophic_speed": {
                    method: {
                        "rmse": float((self.squared[place, row] / self.points[row]).sqrt()),
                    }
                    for place, method in enumerate(METHODS)
                }
            }
            for row, channel in enumerate(self.channels)
        }
