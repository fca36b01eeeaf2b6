"""The sums of each step, and what follows from them: intervals of scores, errors by month."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srwizard.data.months import months_of
from srwizard.runs.intervals import drawn_sums, interval_of, intervals
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored
from srwizard.train.metrics import SUMS, scores_of
from srwizard.train.simple_methods import BEST


@dataclass
class Series(Diagnostic):
    """Sums over the points of each step.

    Args:
        variables: names of the channels.
        names: of the steps.
        span: `[C]`, width of the range of each variable in the training split.
        sums: `[M, C, N, S]`, of each of `METHODS`, in the order of `metrics.SUMS`.
    """

    variables: Sequence[str]
    names: Sequence[str]
    span: npt.NDArray[np.floating[Any]]
    sums: Tensor

    @classmethod
    def of(
        cls, variables: Sequence[str], names: Sequence[str], span: npt.NDArray[np.floating[Any]]
    ) -> "Series":
        """Return one for the steps `names`."""
        shape = len(METHODS), len(variables), len(names), len(SUMS)
        return cls(variables, names, span, torch.zeros(shape, dtype=torch.float64))

    @property
    def squared(self) -> Tensor:
        """Squared errors `[M, C, N]`."""
        return self.sums[..., SUMS.index("squared")]

    @property
    def points(self) -> Tensor:
        """How many points there are `[C, N]`."""
        return self.sums[0, ..., SUMS.index("points")]

    def add(self, at: Scored) -> None:
        """Add a batch."""
        for place, name in enumerate(METHODS):
            sums = at.sums[name][..., : len(SUMS)].transpose(0, 1)
            self.sums[place][:, list(at.indices)] += sums.cpu()

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the intervals of each variable's scores, and its RMSE by month of the year."""
        found: dict[str, dict[str, Any]] = {}
        months = months_of(self.names)
        for channel, name in enumerate(self.variables):
            found[name] = {"interval": self._intervals(channel)}
            if months is not None:
                found[name]["month"] = list(self._by_month(channel, months))
        return found

    def _intervals(self, channel: int) -> dict[str, Any]:
        points = self.points[channel].numpy()
        squared = {
            method: self.squared[place, channel].numpy() for place, method in enumerate(METHODS)
        }
        found = intervals(squared, points, BEST)
        if found.rmse is None:
            return found.as_json() | {"scores": None}
        span = float(self.span[channel])
        scores = {}
        for place, method in enumerate(METHODS):
            drawn = drawn_sums(self.sums[place, channel].numpy()[points > 0], found.block)
            told = scores_of(torch.from_numpy(drawn), span)
            scores[method] = {
                name: interval_of(values.numpy(), found.steps / found.block)
                for name, values in told.items()
                if name != "rmse"
            }
        return found.as_json() | {"scores": scores}

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
