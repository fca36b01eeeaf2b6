"""The currents that a sea level implies: geostrophic speed, away from the equator."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from srwizard.data.grid import METRES_PER_KM, Grid
from srwizard.train.diagnostics.bootstrap import intervals_of, rmse_of, totals_of
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
        count: of steps.
        sums: `[M, S, N, 2]`, of each sea level and step: squared errors, and of how many points.
    """

    variables: Sequence[str]
    channels: Sequence[int]
    spacing: Spacing
    factor: Tensor
    count: int
    sums: Tensor = field(init=False)

    def __post_init__(self) -> None:
        shape = len(METHODS), len(self.channels), self.count, 2
        self.sums = torch.zeros(shape, dtype=torch.float64)

    @classmethod
    def of(
        cls, variables: Sequence[str], grid: Grid, count: int, *, periodic: bool = False
    ) -> "Geostrophy":
        """Return one for the sea levels among `variables`, over `count` steps."""
        channels = [at for at, name in enumerate(variables) if name.lower() in SEA_LEVEL]
        latitude = torch.from_numpy(grid.lat)
        coriolis = 2 * ROTATION * latitude.deg2rad().sin().abs()
        factor = torch.where(latitude.abs() >= LEAST_LATITUDE, GRAVITY / coriolis, 0.0)
        shape = grid.lat.shape[0], grid.lat.shape[1]
        spacing = Spacing.of(grid, shape, periodic=periodic)
        return cls(variables, channels, spacing, factor / METRES_PER_KM, count)

    def add(self, at: Scored) -> None:
        """Add a batch."""
        if not self.channels:
            return
        chosen = list(self.channels)
        truth, there = self._speed(at.truth[:, chosen], at.mask[:, chosen])
        points = there.sum(dim=(2, 3)).double()
        for place, name in enumerate(METHODS):
            speed, _there = self._speed(at.fields[name][:, chosen], at.mask[:, chosen])
            squared = torch.where(there, speed - truth, 0.0).square().sum(dim=(2, 3))
            of_steps = torch.stack([squared, points], dim=-1).transpose(0, 1)
            self.sums[place][:, list(at.indices)] += of_steps.cpu()

    def _speed(self, level: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        factor = self.spacing.inner(self.factor).to(level.device)
        along_y, along_x, there = derivatives(level, mask, self.spacing)
        return torch.hypot(along_y, along_x).double() * factor, there & (factor > 0)

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the RMSE of each sea level's geostrophic speed."""
        return {
            self.variables[channel]: {
                "geostrophic_speed": {
                    **totals_of(self.sums[:, row], rmse_of),
                    "interval": intervals_of(self.sums[:, row], rmse_of),
                }
            }
            for row, channel in enumerate(self.channels)
        }
