"""Whether SR is consistent with LR: how far its block means are from the LR values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from srwizard.data.fields import FloatField
from srwizard.train.diagnostics.bootstrap import intervals_of, rmse_of
from srwizard.train.diagnostics.diagnostic import METHODS, Diagnostic, Scored

TRUTH = "truth"


@dataclass
class Consistency(Diagnostic):
    """Differences between the block means of a field and LR, over blocks that have both.

    Means are taken as `srwizard prepare` does, over the points that predictions have a value at. Of
    the truth it is those that HR has a value at: that LR is not its block mean, or that HR has gaps
    which change, is seen there.

    Args:
        variables: names of the channels.
        shares: `[C, H, W]`, of each point in the mean of its block.
        count: of steps.
        sums: `[M + 1, C, N, 2]`, of each step: squared differences, and of how many blocks; the
            last is the truth's.
        largest: `[M + 1, C, N]`, in each step.
    """

    variables: Sequence[str]
    shares: FloatField
    count: int
    sums: Tensor = field(init=False)
    largest: Tensor = field(init=False)

    def __post_init__(self) -> None:
        shape = len(METHODS) + 1, len(self.variables), self.count
        self.sums = torch.zeros(*shape, 2, dtype=torch.float64)
        self.largest = torch.zeros(shape, dtype=torch.float64)

    def add(self, at: Scored) -> None:
        """Add a batch."""
        lr, device = at.lr.double(), at.lr.device
        shares = torch.from_numpy(self.shares).to(device).double().expand(at.truth.shape)
        steps = list(at.indices)
        fields = [*(at.fields[name] for name in METHODS), torch.where(at.mask, at.truth, 0.0)]
        for place, values in enumerate(fields):
            counted = shares * at.mask if place == len(METHODS) else shares
            total = _block_sums(counted, lr)
            difference = _block_sums(values.double() * counted, lr) / total - lr
            known = difference.isfinite()
            difference = torch.where(known, difference, 0.0)
            parts = [part.sum(dim=(2, 3)).double() for part in (difference.square(), known)]
            self.sums[place][:, steps] += torch.stack(parts, dim=-1).transpose(0, 1).cpu()
            self.largest[place][:, steps] += difference.abs().amax(dim=(2, 3)).T.cpu()

    def numbers(self) -> dict[str, dict[str, Any]]:
        """Return RMSE and largest difference of each method and of the truth."""
        found: dict[str, dict[str, Any]] = {}
        for channel, variable in enumerate(self.variables):
            told: dict[str, Any] = {
                method: {
                    "rmse": float(rmse_of(sums.sum(dim=0))["rmse"]),
                    "largest": float(largest.max()),
                }
                for method, sums, largest in zip(
                    (*METHODS, TRUTH), self.sums[:, channel], self.largest[:, channel], strict=True
                )
            }
            told["interval"] = intervals_of(self.sums[: len(METHODS), channel], rmse_of)
            found[variable] = {"consistency": told}
        return found


def _block_sums(values: Tensor, lr: Tensor) -> Tensor:
    """Return the sums of the blocks of `[B, C, H, W]` that are the points of LR."""
    count, channels, height, width = lr.shape
    rows, columns = values.shape[2] // height, values.shape[3] // width
    return values.reshape(count, channels, height, rows, width, columns).sum(dim=(3, 5))
