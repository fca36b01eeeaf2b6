"""Whole fields through a network that was trained on patches: overlapping tiles, blended."""

from collections.abc import Callable

import torch
from torch import Tensor

OVERLAP = 8
"""LR points that neighbouring tiles share on each side."""


def super_resolve_tiled(
    network: Callable[[Tensor], Tensor], lr: Tensor, scale: int, tile: int
) -> Tensor:
    """Apply `network` tile by tile and blend the overlaps linearly.

    Args:
        network: `[B, C, h, w] -> [B, C, H, W]`.
        lr: `[B, C, h, w]`.
        scale: HR/LR.
        tile: side of a tile in LR points, without its overlap.

    Returns:
        `[B, C, H, W]`, float32.
    """
    height, width = lr.shape[-2:]
    total: Tensor | None = None
    weights = torch.zeros(height * scale, width * scale, device=lr.device)
    for rows in _ranges(height, tile):
        for columns in _ranges(width, tile):
            part = network(lr[..., rows, columns]).float()
            if total is None:
                size = (*part.shape[:2], height * scale, width * scale)
                total = torch.zeros(size, device=lr.device)
            hr_rows = slice(rows.start * scale, rows.stop * scale)
            hr_columns = slice(columns.start * scale, columns.stop * scale)
            ramp = torch.outer(
                _ramp(rows, height, scale, lr.device), _ramp(columns, width, scale, lr.device)
            )
            total[..., hr_rows, hr_columns] += part * ramp
            weights[hr_rows, hr_columns] += ramp
    assert total is not None
    return total / weights


def _ranges(length: int, tile: int) -> list[slice]:
    """Cut `length` into tiles of at most `tile`, each widened by the overlap."""
    return [
        slice(max(0, start - OVERLAP), min(length, start + tile + OVERLAP))
        for start in range(0, length, tile)
    ]


def _ramp(part: slice, length: int, scale: int, device: torch.device) -> Tensor:
    """Return weights that fall off linearly towards the edges that have a neighbour."""
    size = (part.stop - part.start) * scale
    weight = torch.ones(size, device=device)
    fall = torch.linspace(0, 1, 2 * OVERLAP * scale + 2, device=device)[1:-1][:size]
    if part.start > 0:
        weight[: len(fall)] *= fall
    if part.stop < length:
        weight[-len(fall) :] *= fall.flip(0)
    return weight
