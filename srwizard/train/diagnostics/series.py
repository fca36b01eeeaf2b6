"""The squared error of each step, and what follows from them: intervals, errors by month."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srwizard.data.months import months_of
from srwizard.runs.intervals import intervals
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored
from srwizard.train.simple_methods import BEST


@dataclass
class Series(Diagnostic):
    """Sums over the points of each step.

    Args:
        variables: names of the channels.
        names: of the steps.
        squared: `[M, C, N]`, of each of `METHODS`.
        points: `[C, N]`.
    """

    variables: Sequence[str]
    names: Sequence[str]
    squared: Tensor
    points: Tensor

    @classmethod
    def of(cls, variables: Sequence[str], names: Sequence[str]) -> "Series":
        """Return one for the steps `names`."""
        points = torch.zeros(len(variables), len(names), dtype=torch.float64)
        return cls(variables, names, points.repeat(len(METHODS), 1, 1), points)

    def add(self, at: Scored) -> None:
        """Add a batch."""
        steps = list(at.indices)
        self.points[:, steps] += at.mask.sum(dim=(2, 3)).T.double().cpu()
        for place, name in enumerate(METHODS):
            error = torch.where(at.mask, at.fields[name] - at.truth, 0.0).double()
            self.squared[place][:, steps] += error.square().sum(dim=(2, 3)).T.cpu()

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the interval of each variable's scores, and its RMSE by month of the year."""
        found: dict[str, dict[str, Any]] = {}
        months = months_of(self.names)
        for channel, name in enumerate(self.variables):
            squared = {
                method: self.squared[place, channel].numpy() for place, method in enumerate(METHODS)
            }
            told = intervals(squared, self.points[channel].numpy(), BEST).as_json()
            found[name] = {"interval": told}
            if months is not None:
                found[name]["month"] = list(self._by_month(channel, months))
        return found

    def _by_month(self, channel: int, months: npt.NDArray[np.int_]) -> Iterator[dict[str, Any]]:
        """Yield the scores of each month that has a value."""
        points = self.points[channel].numpy()
        for month in np.unique(months[points > 0]):
            there = torch.from_numpy((months == month) & (points > 0))
            total = self.points[channel, there].sum()
            squared = self.squared[:, channel, there].sum(dim=1)
            yield {
                "month": int(month),
                "steps": int(there.sum()),
                "points": float(total),
                **{
                    method: {"rmse": float((value / total).sqrt())}
                    for method, value in zip(METHODS, squared, strict=True)
                },
            }
