"""EDSR: enhanced deep residual network (Lim et al. 2017, arXiv:1707.02921, figure 3).

Layers carry the names of BasicSR's layout. The mean shift of RGB images is left out: ocean fields
come normalised.
"""

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


class EDSR(nn.Module):
    """Residual blocks at low resolution, then pixel shuffle (section 3.2).

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR, 2 or more.
        num_features: channels of every block.
        num_blocks: residual blocks.
        res_scale: factor on each block's residual; the paper has 0.1 for its widest network.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        num_features: int = 64,
        num_blocks: int = 16,
        res_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        self.conv_first = nn.Conv2d(in_channels, num_features, 3, padding=1)
        self.body = nn.ModuleList(ResidualBlock(num_features, res_scale) for _ in range(num_blocks))
        self.conv_after_body = nn.Conv2d(num_features, num_features, 3, padding=1)
        self.upsample = pixel_shuffle_stages(num_features, scale)
        self.conv_last = nn.Conv2d(num_features, out_channels, 3, padding=1)

    def output_layer(self) -> nn.Conv2d:
        """Return the layer that the output comes from."""
        return self.conv_last

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h * scale, w * scale]."""
        checkpointed = self.training and self.gradient_checkpointing
        shallow = for_convolutions(self.conv_first(lr))
        deep = shallow
        for block in self.body:
            deep = run_block(block, deep, checkpointed=checkpointed)
        sr: Tensor = self.conv_last(self.upsample(shallow + self.conv_after_body(deep)))
        return sr
