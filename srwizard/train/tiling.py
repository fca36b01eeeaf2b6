"""Whole fields through a network that was trained on patches: overlapping tiles, blended."""

from collections.abc import Callable

import torch
from torch import Tensor

from srwizard.settings.tiles import OVERLAP

MARGIN = 4
"""LR points along such a side that are thrown away: there the network saw the cut, not the sea."""


def super_resolve_tiled(
    network: Callable[[Tensor], Tensor],
    lr: Tensor,
    scale: int,
    tile: int,
    *,
    overlap: int = OVERLAP,
    margin: int = MARGIN,
) -> Tensor:
    """Apply `network` tile by tile and blend the overlaps linearly.

    Args:
        network: `[B, C, h, w] -> [B, C, H, W]`.
        lr: `[B, C, h, w]`.
        scale: HR/LR.
        tile: side of a tile in LR points, without its overlap.
        overlap: see `OVERLAP`.
        margin: see `MARGIN`.

    Returns:
        `[B, C, H, W]`, float32.
    """
    height, width = lr.shape[-2:]
    total: Tensor | None = None
    weights = torch.zeros(height * scale, width * scale, device=lr.device)
    for rows in _ranges(height, tile, overlap):
        for columns in _ranges(width, tile, overlap):
            part = network(lr[..., rows, columns]).float()
            if total is None:
                size = (*part.shape[:2], height * scale, width * scale)
                total = torch.zeros(size, device=lr.device)
            hr_rows = slice(rows.start * scale, rows.stop * scale)
            hr_columns = slice(columns.start * scale, columns.stop * scale)
            ramp = torch.outer(
                _ramp(rows, height, scale, overlap, margin),
                _ramp(columns, width, scale, overlap, margin),
            ).to(lr.device)
            total[..., hr_rows, hr_columns] += part * ramp
            weights[hr_rows, hr_columns] += ramp
            del part, ramp  # not to be held beside what the network needs for the next tile
    assert total is not None
    return total / weights


def _ranges(length: int, tile: int, overlap: int) -> list[slice]:
    """Cut `length` into tiles of at most `tile`, each widened by the overlap."""
    return [
        slice(max(0, start - overlap), min(length, start + tile + overlap))
        for start in range(0, length, tile)
    ]


def _ramp(part: slice, length: int, scale: int, overlap: int, margin: int) -> Tensor:
    """Return weights `[n]` in HR points: 0 in the margin of a cut side, then rising to 1.

    They rise within twice the overlap, so that every point has a tile in which it weighs.
    """
    rise = 2 * (overlap - margin) * scale
    points = torch.arange((part.stop - part.start) * scale)
    weight = torch.ones(len(points))
    if part.start > 0:
        weight *= ((points + 1 - margin * scale) / (rise + 1)).clamp(0, 1)
    if part.stop < length:
        weight *= ((len(points) - points - margin * scale) / (rise + 1)).clamp(0, 1)
    return weight
