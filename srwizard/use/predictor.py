"""A whole prediction as one module: what `Run` computes, from physical units to physical units.

It is what an ONNX graph is made of, so that who uses that needs no statistics and no skip beside
it. Only which point is nearest to a gap is worked out outside: that is a search, not arithmetic.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srwizard.data.baselines.filters import REACH, WIDTH, Field
from srwizard.data.baselines.methods import Baseline
from srwizard.data.baselines.skip import Skip, shares
from srwizard.models.padding import across, within
from srwizard.use.preprocessing import Preprocessing


class Predictor(nn.Module):
    """`(lr [B, C, h, w], nearest [B, C, h, w]) -> sr [B, C, H, W]`, both in physical units.

    `lr` is NaN in its gaps. `nearest` is, for each point, the flat index (row * w + column) of the
    nearest one with a value; its own where it has one. `sr` has no gaps, but it is NaN where a
    variable has no value at all.

    Args:
        network: `[B, C + S, h, w] -> [B, C, H, W]`, normalized.
        found: statistics, skip and static fields of its run.
        seam: LR columns by which a field that goes round the globe is widened for the network.
        scale: HR/LR.
    """

    def __init__(
        self, network: nn.Module, found: Preprocessing, *, seam: int = 0, scale: int = 1
    ) -> None:
        super().__init__()
        self.seam, self.scale = seam, scale
        self.own_size = found.facts.grids["lr"].shape
        skip, statistics = found.skip, found.statistics
        self.network = network
        self.skip = None if skip is None else _Filters(skip.methods)
        self.levels = None if skip is None else _Levels(skip)
        self.mean = _kept(statistics["lr"].mean)
        self.std = _kept(statistics["lr"].std)
        self.base = _kept(statistics["hr"].mean)
        self.spread = _kept(statistics["hr"].std if skip is None else skip.spread)
        self.static = _kept(found.static)

    def forward(self, lr: Tensor, nearest: Tensor) -> Tensor:
        valid = torch.isfinite(lr)
        count = valid.flatten(2).sum(dim=-1)[..., None, None]
        anomaly = lr - self.mean
        if self.levels is not None:
            anomaly = anomaly - self.levels(anomaly, valid, count)
        seen = filled(anomaly / self.std, nearest)
        if len(self.static):
            static = self.static[None].expand(lr.shape[0], -1, -1, -1)
            seen = torch.cat([seen, static], dim=1)
        base = self.base if self.skip is None else self.skip(lr, nearest)
        output = within(self.network(across(seen, self.seam)), self.seam * self.scale)
        sr = base + output * self.spread
        return torch.where(count > 0, sr, torch.nan)

    @property
    def size(self) -> tuple[int, int] | None:
        """`(h, w)` of LR, if it cannot be another: something in it belongs to the grid.

        So does that a grid goes round the globe; the graph has no way to ask whether another does.
        """
        if self.seam:
            return self.own_size
        parts = [self.mean, self.static]
        if self.skip is not None and self.skip.lr_part is not None:
            parts.append(self.skip.lr_part)
        fixed = [part.shape[-2:] for part in parts if len(part) and part.shape[-2:] != (1, 1)]
        return None if not fixed else (fixed[0][0], fixed[0][1])


class _Levels(nn.Module):
    """What of the mean over the field is taken off; see `Skip.normalized`."""

    def __init__(self, skip: Skip) -> None:
        super().__init__()
        self.weight = _kept(shares(skip.methods))
        self.low, self.high = (_kept(skip.levels[:, end, None, None]) for end in (0, 1))

    def forward(self, anomaly: Tensor, valid: Tensor, count: Tensor) -> Tensor:
        total = torch.where(valid, anomaly, 0.0).double().flatten(2).sum(dim=-1)[..., None, None]
        level = (total / count.clamp(min=1)).float()
        known = torch.minimum(torch.maximum(level, self.low), self.high)
        return level - self.weight * known


class _Filters(nn.Module):
    """The simple methods of all variables; see `Baseline`."""

    def __init__(self, methods: Sequence[Baseline]) -> None:
        super().__init__()
        self.scale, self.periodic = methods[0].scale, methods[0].periodic
        kernels = np.concatenate([method.kernel for method in methods])
        self.kernel = _kept(kernels.reshape(-1, 1, WIDTH, WIDTH))
        constants = [[[np.float32(method.constant)]] for method in methods]
        self.constant = _kept(np.array(constants, np.float32))
        self.lr_part = _stacked([method.lr_part for method in methods])
        self.hr_part = _stacked([method.hr_part for method in methods])

    def forward(self, lr: Tensor, nearest: Tensor) -> Tensor:
        anomaly = filled(lr if self.lr_part is None else lr - self.lr_part, nearest)
        tall = F.pad(anomaly - self.constant, [0, 0, REACH, REACH], mode="replicate")
        mode = "circular" if self.periodic else "replicate"
        padded = F.pad(tall, [REACH, REACH, 0, 0], mode=mode)
        places = F.conv2d(padded, self.kernel, groups=len(self.constant))
        result = F.pixel_shuffle(places, self.scale) + self.constant
        return result if self.hr_part is None else result + self.hr_part


def filled(values: Tensor, nearest: Tensor) -> Tensor:
    """Return `values` `[B, C, h, w]` with gaps filled from `nearest`; zeros where all is NaN."""
    found = values.flatten(2).gather(-1, nearest.flatten(2)).reshape(values.shape)
    return torch.nan_to_num(found)


def _kept(values: Field) -> nn.Buffer:
    return nn.Buffer(torch.from_numpy(np.ascontiguousarray(values, np.float32)))


def _stacked(parts: Sequence[Field | None]) -> nn.Buffer | None:
    """Stack what belongs to the grid, zeros where a variable has none; None where none has any."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    empty = np.zeros_like(known[0])
    return _kept(np.stack([empty if part is None else part for part in parts]))
