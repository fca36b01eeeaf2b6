"""Sampling features on a coarse grid at the points of a grid of any size.

Cells of both grids cover the same domain; what lies beyond the outermost centres repeats them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Neighbours:
    """The two coarse cells beside each of N fine cells along one axis.

    Attributes:
        indices: [2, N], before and behind.
        weights: [2, N], linear in the distance; they sum to 1.
        offsets: [N, 2], from either centre to the fine cell's, in coarse cells.
    """

    indices: Tensor
    weights: Tensor
    offsets: Tensor


def axis_neighbours(coarse: int, fine: int, device: torch.device) -> Neighbours:
    """Return the neighbours of `fine` cells among `coarse` ones that cover the same length."""
    place = (torch.arange(fine, device=device) + 0.5) * (coarse / fine) - 0.5
    before = place.floor()
    behind = place - before
    indices = torch.stack([before, before + 1]).clamp(0, coarse - 1)
    return Neighbours(
        indices=indices.long(),
        weights=torch.stack([1 - behind, behind]),
        offsets=(place - indices).T,
    )


def grid_neighbours(
    coarse: Sequence[int], fine: Sequence[int], device: torch.device
) -> tuple[Neighbours, Neighbours]:
    """Return the neighbours of fine rows and of fine columns, for grids of (height, width)."""
    rows, columns = (
        axis_neighbours(few, many, device) for few, many in zip(coarse, fine, strict=True)
    )
    return rows, columns


def sample_each(features: tuple[Tensor, ...], rows: Neighbours, columns: Neighbours) -> Tensor:
    """Interpolate linearly, each of the four neighbours from features of its own.

    Args:
        features: four of [B, h, w, C], for the neighbours above left, above right, below left and
            below right.
        rows, columns: neighbours along h and w.

    Returns:
        [B, H, W, C].
    """
    total: Tensor | None = None
    for corner, field in enumerate(features):
        down, right = divmod(corner, 2)
        there = field.index_select(1, rows.indices[down]).index_select(2, columns.indices[right])
        weight = rows.weights[down][:, None] * columns.weights[right]
        part = there * weight[..., None].to(there.dtype)
        total = part if total is None else total + part
    assert total is not None
    return total
