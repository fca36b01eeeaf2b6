"""Losses over the points that have a value.

A loss is a function `(at: Compared) -> [B, C]`, the loss of each sample and channel, with an entry
in `LOSSES` of `srwizard/settings/methods.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from srwizard.base.choices import method_named
from srwizard.settings.methods import LOSSES

CHARBONNIER_EPSILON = 1e-3
"""In units of the normalized field; as in Lai et al. 2017 (LapSRN), section 3.3."""
SMALLEST_NORM = 1e-6


@dataclass(frozen=True)
class Compared:
    """What a loss is made of: the error and the truth, 0 where there is no value.

    `error` and `hr` are `[B, C, H, W]`, float32, normalized; `mask` is True where HR has a value;
    `area` is `[B, 1, H, W]`, or None where all grid points are the same.
    """

    error: Tensor
    hr: Tensor
    mask: Tensor
    area: Tensor | None

    @property
    def truth(self) -> Tensor:
        """HR, `[B, C, H, W]`; made when it is asked for, as most losses do without."""
        return torch.where(self.mask, self.hr, 0.0)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean `[B, C]` of values `[B, C, H, W]` over the points that have one.

        They must be 0 where there is none, as every function is that is 0 without an error.
        """
        if self.area is None:
            return values.sum(dim=(2, 3)) / self.mask.sum(dim=(2, 3)).clamp(min=1)
        total = torch.where(self.mask, self.area, 0.0).sum(dim=(2, 3))
        return (values * self.area).sum(dim=(2, 3)) / torch.where(total > 0, total, 1.0)


def sample_losses(
    sr: Tensor, hr: Tensor, mask: Tensor, kind: str, area: Tensor | None = None
) -> Tensor:
    """Return the loss of each sample.

    The mean over the points with a value of one sample and channel, then over channels: a step
    under much ice weighs as much as any other, and the loss does not depend on the batch size.

    Args:
        sr: `[B, C, H, W]`, normalized.
        hr: `[B, C, H, W]`, normalized; what stands under the mask does not matter.
        mask: `[B, C, H, W]`, True where HR has a value.
        kind: a name in `LOSSES`.
        area: `[B, 1, H, W]`, relative areas of the grid points; None: all the same.

    Returns:
        `[B]`, float32.
    """
    loss: Callable[[Compared], Tensor] = method_named(LOSSES, kind).function()
    # where() before the arithmetic, so that not even a NaN under the mask gets into the gradient.
    error = torch.where(mask, sr.float() - hr, 0.0)
    return loss(Compared(error, hr, mask, area)).mean(dim=1)


def l1(at: Compared) -> Tensor:
    """Return the mean absolute error."""
    return at.mean(at.error.abs())


def l2(at: Compared) -> Tensor:
    """Return the mean squared error."""
    return at.mean(at.error.square())


def charbonnier(at: Compared) -> Tensor:
    """Return the Charbonnier loss (Lai et al. 2017, arXiv:1704.03915, section 3.3)."""
    smooth = (at.error.square() + CHARBONNIER_EPSILON**2).sqrt()
    return at.mean(smooth - CHARBONNIER_EPSILON)  # 0 where there is no error, and no value


def relative_l2(at: Compared) -> Tensor:
    """Return the norm of the error over that of the truth (Li et al. 2021, arXiv:2010.08895, 5)."""
    squares, wanted = at.mean(at.error.square()), at.mean(at.truth.square())
    # The square root of zero has no finite gradient, which where() alone does not keep out.
    smallest = SMALLEST_NORM**2
    ratio = (squares.clamp(min=smallest) / wanted.clamp(min=smallest)).sqrt()
    return torch.where(squares > smallest, ratio, 0.0)
