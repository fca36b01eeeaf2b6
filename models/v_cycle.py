"""Multigrid V-cycle of learnt smoothers on fixed multiwavelets, shared by several networks.

Li et al. (2024), M2NO, arXiv:2406.04822: a cycle solves A u = f approximately for u. Smoothing
takes off the error of short waves; what is left, f - A u, is smooth, goes down to a grid half as
fine and is solved for there. From grid to grid lead the scaling functions of `multiwavelet`, which
are orthonormal: restriction undoes prolongation exactly.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from srwizard.models.multiwavelet import MultiwaveletTransform
from srwizard.models.swin import channel_norm


class Smoother(nn.Module):
    """Take u + S(f - A u) for u, as often as there are convolutions S.

    Args:
        channels: of u and f.
        steps: number of convolutions.
        embedding: channels of what scales and shifts f - A u (FiLM, Perez et al. 2018,
            arXiv:1709.07871); None: nothing does. It begins with neither scale nor shift.
    """

    def __init__(self, channels: int, steps: int, embedding: int | None = None) -> None:
        super().__init__()
        self.smoothers = nn.ModuleList(_convolution(channels) for _ in range(steps))
        if embedding is not None:
            self.film = nn.Linear(embedding, 2 * channels)
            nn.init.zeros_(self.film.weight)
            nn.init.zeros_(self.film.bias)

    def forward(
        self, a: nn.Module, f: Tensor, u: Tensor | None = None, embedding: Tensor | None = None
    ) -> Tensor:
        """Return u [B, C, H, W]; without one it begins at 0.

        Args:
            a: the operator A.
            f: the right-hand side.
            u: what is known of the solution.
            embedding: [B, E], if the layer has one.
        """
        for smoother in self.smoothers:
            residual = f if u is None else f - a(u)
            if embedding is not None:
                scale, shift = self.film(embedding)[:, :, None, None].chunk(2, dim=1)
                residual = residual * (1 + scale) + shift
            change: Tensor = smoother(residual)
            u = change if u is None else u + change
        return cast(Tensor, u)


class VCycle(nn.Module):
    """One V-cycle for a right-hand side of any size; A is the same on every grid.

    Args:
        channels: c k^2 of them: c channels of k^2 coefficients at every point.
        k: Legendre polynomials in each direction.
        grid_levels: smoothing steps on each coarser grid, from fine to coarse.
        embedding: channels of what every smoother is told, see `Smoother`, and what opens a gate
            for the correction that comes from each coarser grid; None: there is neither.
    """

    def __init__(
        self, channels: int, k: int, grid_levels: Sequence[int], embedding: int | None = None
    ) -> None:
        super().__init__()
        self.transform = MultiwaveletTransform(k)
        self.a = _convolution(channels)
        self.before = Smoother(channels, 1, embedding)
        self.coarser = nn.ModuleList(Smoother(channels, steps, embedding) for steps in grid_levels)
        # Over the channels of each point: grids may have any size, and tiles agree.
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in grid_levels)
        self.after = Smoother(channels, 1, embedding)
        if embedding is not None:
            self.gates = nn.Linear(embedding, len(grid_levels))

    def forward(self, f: Tensor, embedding: Tensor | None = None) -> Tensor:
        """Map [B, C, H, W], with an embedding [B, E] if it has one, to the same shape."""
        finest = f
        u = self.before(self.a, f, None, embedding)
        passed = []
        for smoother in self.coarser:
            passed.append(u)
            f = self.transform.restrict(f - self.a(u))
            u = smoother(self.a, f, None, embedding)
        gates = None if embedding is None else torch.sigmoid(self.gates(embedding))
        for level in reversed(range(len(passed))):
            correction = self.transform.prolong(u, *passed[level].shape[-2:])
            if gates is not None:
                correction = correction * gates[:, level, None, None, None]
            u = channel_norm(self.norms[level], passed[level] + correction)
        return cast(Tensor, self.after(self.a, finest, u, embedding))


def _convolution(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1)
