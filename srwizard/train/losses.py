"""Losses over the points that have a value."""

import torch
from torch import Tensor

CHARBONNIER_EPSILON = 1e-3
"""In units of the normalized field; as in Lai et al. 2017 (LapSRN), section 3.3."""
SMALLEST_NORM = 1e-6


def sample_losses(
    sr: Tensor, hr: Tensor, mask: Tensor, kind: str, area: Tensor | None = None
) -> Tensor:
    """Return the loss of each sample.

    The mean over the points with a value of one sample and channel, then over channels: a step
    under much ice weighs as much as any other, and the loss does not depend on the batch size.

    Sources: Charbonnier: Lai et al. 2017, arXiv:1704.03915, section 3.3. Relative L2, the norm of
    the error over that of the truth: Li et al. 2021, arXiv:2010.08895, section 5.

    Args:
        sr: `[B, C, H, W]`, normalized.
        hr: `[B, C, H, W]`, normalized; what stands under the mask does not matter.
        mask: `[B, C, H, W]`, True where HR has a value.
        kind: "L1", "L2", "Charbonnier" or "relative_L2".
        area: `[B, 1, H, W]`, relative areas of the grid points; None: all the same.

    Returns:
        `[B]`, float32.
    """
    # where() before the arithmetic, so that not even a NaN under the mask gets into the gradient.
    error = torch.where(mask, sr.float() - hr, 0.0)
    if kind == "relative_L2":
        squares = _mean(error.square(), mask, area)
        truth = _mean(torch.where(mask, hr, 0.0).square(), mask, area)
        # The square root of zero has no finite gradient, which where() alone does not keep out.
        smallest = SMALLEST_NORM**2
        ratio = (squares.clamp(min=smallest) / truth.clamp(min=smallest)).sqrt()
        return torch.where(squares > smallest, ratio, 0.0).mean(dim=1)
    match kind:
        case "L1":
            distance = error.abs()
        case "L2":
            distance = error.square()
        case "Charbonnier":
            smooth = (error.square() + CHARBONNIER_EPSILON**2).sqrt()
            distance = smooth - CHARBONNIER_EPSILON  # 0 where there is no error, and no value
        case _:
            raise ValueError(f"no such loss: {kind}")
    return _mean(distance, mask, area).mean(dim=1)


def _mean(values: Tensor, mask: Tensor, area: Tensor | None) -> Tensor:
    """Return the mean `[B, C]` of values that are 0 where there is no value."""
    if area is None:
        return values.sum(dim=(2, 3)) / mask.sum(dim=(2, 3)).clamp(min=1)
    total = torch.where(mask, area, 0.0).sum(dim=(2, 3))
    return (values * area).sum(dim=(2, 3)) / torch.where(total > 0, total, 1.0)
