"""Whether fronts are as sharp as they should be: horizontal gradients."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srwizard.data.grid import Grid
from srwizard.models.padding import across
from srwizard.train.diagnostics.bootstrap import intervals_of, totals_of
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored

PERCENTILES = (95, 99)
"""Of the magnitude of the gradient over a field: its fronts."""
NAMES = tuple(f"p{level}" for level in PERCENTILES)


@dataclass(frozen=True)
class Spacing:
    """How far apart points are, `[H, W]` each in km, or 1 each where nobody knows.

    On a grid that goes round the globe (`periodic`) the first and the last column are neighbours.
    """

    dy: Tensor
    dx: Tensor
    unit: str
    periodic: bool = False

    @classmethod
    def of(cls, grid: Grid | None, shape: tuple[int, int], *, periodic: bool = False) -> "Spacing":
        """Return that of a grid of `shape` `[H, W]`."""
        if grid is None:
            return cls(torch.ones(shape), torch.ones(shape), "cell", periodic)
        around = Grid(*(np.pad(part, ((0, 0), (1, 1)), "wrap") for part in (grid.lon, grid.lat)))
        dy, dx = grid.spacing_km[0], (around if periodic else grid).spacing_km[1]
        dx = dx[:, 1:-1] if periodic else dx
        return cls(
            torch.from_numpy(dy).float(), torch.from_numpy(dx.copy()).float(), "km", periodic
        )

    def inner(self, field: Tensor) -> Tensor:
        """Return the points of `[..., H, W]` that have neighbours on all four sides."""
        return field[..., 1:-1, :] if self.periodic else field[..., 1:-1, 1:-1]


def derivatives(values: Tensor, mask: Tensor, spacing: Spacing) -> tuple[Tensor, Tensor, Tensor]:
    """Return the derivatives along columns and rows by central differences, and where they are.

    Args:
        values: `[..., H, W]`.
        mask: the same shape, True where there is a value.
        spacing: of the grid.

    Returns:
        `d/dy` and `d/dx` of the points that `spacing.inner` gives, downwards and to the right, and
        a mask that is True where the point and its four neighbours have a value.
    """
    dy, dx = (spacing.inner(part).to(values.device) for part in (spacing.dy, spacing.dx))
    if spacing.periodic:
        values, mask = across(values, 1), across(mask, 1)
    along_y = (values[..., 2:, 1:-1] - values[..., :-2, 1:-1]) / (2 * dy)
    along_x = (values[..., 1:-1, 2:] - values[..., 1:-1, :-2]) / (2 * dx)
    there = (
        mask[..., 1:-1, 1:-1]
        & mask[..., 2:, 1:-1]
        & mask[..., :-2, 1:-1]
        & mask[..., 1:-1, 2:]
        & mask[..., 1:-1, :-2]
    )
    return along_y, along_x, there


@dataclass
class Gradients(Diagnostic):
    """Errors of the gradient, and of the upper percentiles of its magnitude in each field.

    Args:
        variables: names of the channels.
        spacing: of the grid.
        count: of steps.
        sums: `[M, C, N, S]` of each step: the squared error of the vector over its points, how many
            these are, whether there is any, and squared errors of the percentiles.
        levels: `[C, P]`, percentiles of the truth, over fields.
    """

    variables: Sequence[str]
    spacing: Spacing
    count: int
    sums: Tensor = field(init=False)
    levels: Tensor = field(init=False)

    def __post_init__(self) -> None:
        channels, levels = len(self.variables), len(PERCENTILES)
        shape = len(METHODS), channels, self.count, 3 + levels
        self.sums = torch.zeros(shape, dtype=torch.float64)
        self.levels = torch.zeros(channels, levels, dtype=torch.float64)

    def add(self, at: Scored) -> None:
        """Add a batch."""
        truth_y, truth_x, there = derivatives(at.truth, at.mask, self.spacing)
        fronts = _upper_percentiles(torch.hypot(truth_y, truth_x), there)
        points = there.sum(dim=(2, 3)).cpu()
        self.levels += fronts.sum(dim=0).cpu()
        for place, name in enumerate(METHODS):
            along_y, along_x, _there = derivatives(at.fields[name], at.mask, self.spacing)
            error = (along_y - truth_y).double().square() + (along_x - truth_x).double().square()
            squared = torch.where(there, error, 0.0).sum(dim=(2, 3)).cpu()
            found = _upper_percentiles(torch.hypot(along_y, along_x), there)
            parts = [squared, points, points > 0, *(found - fronts).square().unbind(-1)]
            of_steps = torch.stack([part.double() for part in parts], dim=-1)
            self.sums[place][:, list(at.indices)] += of_steps.transpose(0, 1)

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return RMSEs of gradient and upper percentiles, and the percentiles of the truth."""
        found: dict[str, dict[str, Any]] = {}
        for channel, variable in enumerate(self.variables):
            sums = self.sums[:, channel]
            fields = sums[0, :, 2].sum()
            mean = (self.levels[channel] / fields).tolist()
            found[variable] = {
                "gradient": {
                    "per": self.spacing.unit,
                    "truth": dict(zip(NAMES, mean, strict=True)),
                    **totals_of(sums, _errors),
                    "interval": intervals_of(sums, _errors),
                }
            }
        return found


def _errors(sums: Tensor) -> dict[str, Tensor]:
    squared, points, fields, *percentiles = sums.unbind(-1)
    of_levels = ((part / fields).sqrt() for part in percentiles)
    return {"rmse": (squared / points).sqrt(), **dict(zip(NAMES, of_levels, strict=True))}


def _upper_percentiles(magnitude: Tensor, there: Tensor) -> Tensor:
    """Return the percentiles `[B, C, P]` over the points of each field, 0 where there is none."""
    found = torch.zeros(*magnitude.shape[:2], len(PERCENTILES), dtype=torch.float64)
    for b, c in there.flatten(2).any(dim=2).nonzero().tolist():
        values = magnitude[b, c][there[b, c]].double().sort().values
        for place, level in enumerate(PERCENTILES):
            at = level / 100 * (len(values) - 1)
            low, high = values[int(at)], values[min(int(at) + 1, len(values) - 1)]
            found[b, c, place] = low + (at - int(at)) * (high - low)
    return found
