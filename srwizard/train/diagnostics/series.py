"""The squared error of each step, and the intervals that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from srwizard.runs.intervals import intervals
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored
from srwizard.train.simple_methods import BEST


@dataclass
class Series(Diagnostic):
    """Sums over the points of each step.

    Args:
        variables: names of the channels.
        squared: `[M, C, N]`, of each of `METHODS`.
        points: `[C, N]`.
    """

    variables: Sequence[str]
    squared: Tensor
    points: Tensor

    @classmethod
    def of(cls, variables: Sequence[str], count: int) -> "Series":
        """Return one for `count` steps."""
        points = torch.zeros(len(variables), count, dtype=torch.float64)
        return cls(variables, points.repeat(len(METHODS), 1, 1), points)

    def add(self, at: Scored) -> None:
        """Add a batch."""
        steps = list(at.indices)
        self.points[:, steps] += at.mask.sum(dim=(2, 3)).T.double().cpu()
        for place, name in enumerate(METHODS):
            error = torch.where(at.mask, at.fields[name] - at.truth, 0.0).double()
            self.squared[place][:, steps] += error.square().sum(dim=(2, 3)).T.cpu()

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the interval of each variable's scores."""
        found = {}
        for channel, name in enumerate(self.variables):
            squared = {
                method: self.squared[place, channel].numpy() for place, method in enumerate(METHODS)
            }
            told = intervals(squared, self.points[channel].numpy(), BEST).as_json()
            found[name] = {"interval": told}
        return found
