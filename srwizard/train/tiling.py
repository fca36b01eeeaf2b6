"""Whole fields through a network that was trained on patches: overlapping tiles, blended."""

from collections.abc import Callable

import torch
from torch import Tensor

OVERLAP = 8
"""LR points by which a tile is widened on each side that has a neighbour."""
MARGIN = 4
"""LR points along such a side that are thrown away: there the network saw the cut, not the sea."""


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
    """Return weights `[n]` in HR points: 0 in the margin of a cut side, then rising to 1.

    They rise within twice the overlap, so that every point has a tile in which it weighs.
    """
    rise = 2 * (OVERLAP - MARGIN) * scale
    points = torch.arange((part.stop - part.start) * scale, device=device)
    weight = torch.ones(len(points), device=device)
    if part.start > 0:
        weight *= ((points + 1 - MARGIN * scale) / (rise + 1)).clamp(0, 1)
    if part.stop < length:
        weight *= ((len(points) - points - MARGIN * scale) / (rise + 1)).clamp(0, 1)
    return weight
