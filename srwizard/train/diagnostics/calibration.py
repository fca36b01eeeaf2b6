"""Whether an ensemble's spread is honest: rank histogram, and spread against error.

Where truth and members are draws from one distribution, each rank of the truth among the members is
equally likely (Hamill 2001, doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2), and the squared
error of the mean of M members is (M + 1) / M of their variance, wherever that is large or small
(Fortin et al. 2014, doi:10.1175/JHM-D-14-0008.1, eq. 15).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srwizard.train.diagnostics.diagnostic import Diagnostic, Scored

HALVINGS = 24
"""Bins of the spread, two for each factor of 2 downwards from twice the spread of the variable."""


@dataclass
class Calibration(Diagnostic):
    """Counts and sums over the points of all steps.

    Args:
        variables: names of the channels.
        scale: `[C]`, the spread of each variable in the training split, which bins are made from.
        members: M; 1 of a single field, of which there is nothing to tell.
        ranks: `[C, M + 1]`, how often the truth lay above so many members.
        bins: `[C, HALVINGS, 3]`, by spread: points, sum of variances, sum of squared errors.
    """

    variables: Sequence[str]
    scale: npt.NDArray[np.floating[Any]]
    members: int
    ranks: Tensor = field(init=False)
    bins: Tensor = field(init=False)

    def __post_init__(self) -> None:
        channels = len(self.variables)
        self.ranks = torch.zeros(channels, self.members + 1, dtype=torch.float64)
        self.bins = torch.zeros(channels, HALVINGS, 3, dtype=torch.float64)

    def add(self, at: Scored) -> None:
        """Add a batch."""
        if at.members is None:
            return
        above = (at.members < at.truth).sum(dim=0)
        variance = at.members.var(dim=0).double()
        squared = (at.members.mean(dim=0) - at.truth).double().square()
        for channel in range(len(self.variables)):
            there = at.mask[:, channel]
            found = above[:, channel][there]
            self.ranks[channel] += torch.bincount(found, minlength=self.members + 1).cpu()
            var, err = variance[:, channel][there], squared[:, channel][there]
            largest = max(float(self.scale[channel]), 1e-30) * 2
            halvings = torch.log2(largest / var.sqrt().clamp(min=1e-30)) * 2
            place = halvings.floor().clamp(0, HALVINGS - 1).long()
            for column, values in enumerate((torch.ones_like(var), var, err)):
                summed = torch.zeros(HALVINGS, dtype=torch.float64, device=var.device)
                self.bins[channel, :, column] += summed.index_add_(0, place, values).cpu()

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return the rank histogram and, by bins of the spread, spread and RMSE of the mean.

        `spread` is multiplied by sqrt((M + 1) / M): of an honest ensemble it equals `rmse`.
        """
        if self.members < 2:
            return {}
        adjusted = (self.members + 1) / self.members
        found = {}
        for channel, name in enumerate(self.variables):
            total = self.ranks[channel].sum()
            if total == 0:  # no value in the whole split
                continue
            bins = self.bins[channel][self.bins[channel, :, 0] > 0].flip(0)
            points, variance, squared = bins.T
            whole = bins.sum(dim=0)
            found[name] = {
                "calibration": {
                    "members": self.members,
                    "rank_histogram": (self.ranks[channel] / total.clamp(min=1)).tolist(),
                    "points": points.tolist(),
                    "spread": (adjusted * variance / points).sqrt().tolist(),
                    "rmse": (squared / points).sqrt().tolist(),
                    "ratio": float((adjusted * whole[1] / whole[2]).sqrt()),
                }
            }
        return found
