"""The residual trunk of EDSR, which RCAN, SRNO and HiNOTE have too: features at low resolution.

A convolution, residual blocks, a convolution, and a skip over the blocks (Lim et al. 2017,
arXiv:1707.02921, figure 3). Layers carry the names of BasicSR's layout.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.channels_last import for_convolutions
from srwizard.models.checkpointing import run_block
from srwizard.models.upsampling import pixel_shuffle_stages


class ResidualBlock(nn.Module):
    """Two convolutions without batch normalisation (figure 2c): x + res_scale * f(x)."""

    def __init__(self, channels: int, res_scale: float) -> None:
        super().__init__()
        self.res_scale = res_scale
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to the same shape."""
        residual = self.conv2(functional.relu(self.conv1(x), inplace=True))
        return torch.add(x, residual, alpha=self.res_scale)


class ResidualTrunk(nn.Module):
    """The layers of the trunk; a network derives from it, so that they keep their names.

    Args:
        in_channels: channels of the low-resolution input.
        num_features: channels of every block.
        block: makes one block, which maps [B, num_features, h, w] to the same shape.
        num_blocks: blocks.
    """

    def __init__(
        self,
        in_channels: int,
        num_features: int,
        block: Callable[[], nn.Module],
        num_blocks: int,
    ) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        self.conv_first = nn.Conv2d(in_channels, num_features, 3, padding=1)
        self.body = nn.ModuleList(block() for _ in range(num_blocks))
        self.conv_after_body = nn.Conv2d(num_features, num_features, 3, padding=1)

    def deep_features(self, shallow: Tensor) -> Tensor:
        """Map what the first convolution gives, [B, num_features, h, w], through all blocks."""
        checkpointed = self.training and self.gradient_checkpointing
        deep = shallow
        for block in self.body:
            deep = self.run(block, deep, checkpointed)
        return deep

    def skipped(self, shallow: Tensor, deep: Tensor) -> Tensor:
        """Return the features of the trunk: those before the blocks, and what these add."""
        features: Tensor = shallow + self.conv_after_body(deep)
        return features

    def run(self, block: nn.Module, x: Tensor, checkpointed: bool) -> Tensor:
        """Return `block(x)`."""
        return run_block(block, x, checkpointed=checkpointed)


class PixelShuffleNetwork(ResidualTrunk):
    """The trunk, then pixel shuffle and a last convolution. Arguments as `ResidualTrunk`.

    Args:
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR, 2 or more.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        num_features: int,
        block: Callable[[], nn.Module],
        num_blocks: int,
    ) -> None:
        super().__init__(in_channels, num_features, block, num_blocks)
        self.upsample = pixel_shuffle_stages(num_features, scale)
        self.conv_last = nn.Conv2d(num_features, out_channels, 3, padding=1)

    def output_layer(self) -> nn.Conv2d:
        """Return the layer that the output comes from."""
        return self.conv_last

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h * scale, w * scale]."""
        shallow = for_convolutions(self.conv_first(lr))
        deep = self.deep_features(shallow)
        sr: Tensor = self.conv_last(self.upsample(self.skipped(shallow, deep)))
        return sr
