"""Losses over the points that have a value."""

import torch
from torch import Tensor


def sample_losses(sr: Tensor, hr: Tensor, mask: Tensor, kind: str) -> Tensor:
    """Return the loss of each sample.

    The mean over the points with a value of one sample and channel, then over channels: a step
    under much ice weighs as much as any other, and the loss does not depend on the batch size.

    Args:
        sr: `[B, C, H, W]`, normalized.
        hr: `[B, C, H, W]`, normalized; what stands under the mask does not matter.
        mask: `[B, C, H, W]`, True where HR has a value.
        kind: "L1" or "L2".

    Returns:
        `[B]`, float32.
    """
    # where() before the arithmetic, so that not even a NaN under the mask gets into the gradient.
    error = torch.where(mask, sr.float() - hr, 0.0)
    distance = error.abs() if kind == "L1" else error.square()
    points = mask.sum(dim=(2, 3)).clamp(min=1)
    return (distance.sum(dim=(2, 3)) / points).mean(dim=1)
