"""Where the cells of a grid lie."""

import torch
from torch import Tensor


def coordinates(field: Tensor) -> Tensor:
    """Return y and x of the cell centres of [B, C, H, W] as [B, 2, H, W], both within (0, 1).

    Centres, so that a point of the domain has the same coordinates on every grid.
    """
    height, width = field.shape[-2:]
    y = (torch.arange(height, device=field.device, dtype=field.dtype) + 0.5) / height
    x = (torch.arange(width, device=field.device, dtype=field.dtype) + 0.5) / width
    return torch.stack(torch.meshgrid(y, x, indexing="ij")).expand(len(field), -1, -1, -1)
