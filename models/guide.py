"""Fields at the output's resolution as a network's input: one small encoder for all networks.

A guide field (bathymetry, say) comes as blocks: the scale x scale HR points in an LR point are
channels of that point, as pixel unshuffle arranges them (Shi et al. 2016, arXiv:1609.05158). Of a
network's input they are the last channels, and so are cut, widened and put on a device with LR.
"""

import torch
from torch import Tensor, nn

from srwizard.models.diffusion import DiffusionModel

WIDTH = 16
"""Channels at LR that a network sees of all guides."""


class GuideEncoder(nn.Module):
    """Makes WIDTH channels at LR of the guides, of each point's block and those around it.

    The last layer starts at zero: an untrained network sees nothing of the guides.

    Args:
        guides: the number of guide fields.
        scale: ratio HR/LR.
    """

    def __init__(self, guides: int, scale: int) -> None:
        super().__init__()
        self.channels = guides * scale**2
        self.layers = nn.Sequential(
            nn.Conv2d(self.channels, WIDTH, 3, padding=1), nn.GELU(), nn.Conv2d(WIDTH, WIDTH, 1)
        )
        for part in self.layers[-1].parameters():
            nn.init.zeros_(part)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C + guides * scale ** 2, h, w] to [B, C + WIDTH, h, w] of the same type."""
        fields, blocks = x.tensor_split([x.shape[1] - self.channels], dim=1)
        return torch.cat([fields, self.layers(blocks).to(x.dtype)], dim=1)


class Guided(nn.Module):
    """A network that sees guides; a diffusion model has its encoder itself, see `DiffusionModel`.

    Args:
        net: maps [B, C + WIDTH, h, w] to [B, out_channels, H, W].
        guide: maps what there is to that.
    """

    def __init__(self, net: nn.Module, guide: GuideEncoder) -> None:
        super().__init__()
        self.net = net
        self.guide = guide

    def output_layer(self) -> nn.Module:
        """Return the layer that the network's output comes from."""
        layer: nn.Module = self.net.output_layer()  # type: ignore[operator]
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C + guides * scale ** 2, h, w] to [B, out_channels, H, W]."""
        found: Tensor = self.net(self.guide(x))
        return found


def with_guides(net: nn.Module, guides: int, scale: int) -> nn.Module:
    """Return a network that sees so many guides, made of one with WIDTH more input channels."""
    encoder = GuideEncoder(guides, scale)
    if isinstance(net, DiffusionModel):
        net.guide = encoder
        return net
    return Guided(net, encoder)
