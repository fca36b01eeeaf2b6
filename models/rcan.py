"""RCAN: residual channel attention network (Zhang et al. 2018, arXiv:1807.02758).

Layers carry the names of BasicSR's layout. The mean shift of RGB images is left out: ocean fields
come normalised.
"""

from functools import partial

import torch
from torch import Tensor, nn

from srwizard.models.checkpointing import run_block
from srwizard.models.residual_trunk import PixelShuffleNetwork


class ChannelAttention(nn.Module):
    """Scale each channel by what the means of all channels say (section 3.3)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // reduction, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // reduction, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to the same shape."""
        weights: Tensor = self.attention(x)
        return x * weights


class AttentionBlock(nn.Module):
    """Residual channel attention block, RCAB (section 3.4): x + res_scale * f(x)."""

    def __init__(self, channels: int, reduction: int, res_scale: float) -> None:
        super().__init__()
        self.res_scale = res_scale
        self.rcab = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            ChannelAttention(channels, reduction),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to the same shape."""
        return torch.add(x, self.rcab(x), alpha=self.res_scale)


class ResidualGroup(nn.Module):
    """Blocks, a convolution and a short skip (section 3.2)."""

    def __init__(self, channels: int, blocks: int, reduction: int, res_scale: float) -> None:
        super().__init__()
        self.residual_group = nn.ModuleList(
            AttentionBlock(channels, reduction, res_scale) for _ in range(blocks)
        )
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, checkpointed: bool) -> Tensor:
        """Map [B, C, h, w] to the same shape."""
        y = x
        for block in self.residual_group:
            y = run_block(block, y, checkpointed=checkpointed)
        residual: Tensor = self.conv(y)
        return x + residual


class RCAN(PixelShuffleNetwork):
    """Residual in residual at low resolution, then pixel shuffle (section 3.1, figure 2).

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR, 2 or more.
        num_features: channels of every block.
        num_groups: residual groups.
        num_blocks: blocks in each group.
        reduction: by how much the attention narrows the channels; divides `num_features`.
        res_scale: factor on each block's residual.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        num_features: int = 64,
        num_groups: int = 10,
        num_blocks: int = 20,
        reduction: int = 16,
        res_scale: float = 1.0,
    ) -> None:
        group = partial(ResidualGroup, num_features, num_blocks, reduction, res_scale)
        super().__init__(in_channels, out_channels, scale, num_features, group, num_groups)

    def run(self, block: nn.Module, x: Tensor, checkpointed: bool) -> Tensor:
        """Return what a group makes of `x`; the blocks in it are checkpointed, not the group."""
        y: Tensor = block(x, checkpointed)
        return y
