"""Galerkin_Transformer: Galerkin transformer (Cao 2021, arXiv:2105.14995), for super-resolution.

As in the paper's network for fields on Darcy flow: layers of softmax-free attention
on the coarse grid, interpolation to the fine one, then spectral convolutions that make the
output smooth.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.checkpointing import run_block
from srwizard.models.coordinates import coordinates
from srwizard.models.fno2d import FourierLayer, projected
from srwizard.models.galerkin import GalerkinLayer, from_tokens, to_tokens
from srwizard.models.upsampling import bicubic


class Galerkin_Transformer(nn.Module):  # noqa: N801, named as its users know it
    """Lift, attend on the low-resolution grid, interpolate, decode, project.

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR.
        width: channels of the attention layers, a multiple of `num_heads`.
        num_layers: attention layers.
        num_heads: heads in each.
        mlp_ratio: hidden channels of the feed-forward part, relative to `width`.
        decoder_width: channels of the spectral convolutions on the high-resolution grid.
        decoder_layers: spectral convolutions.
        modes: Fourier modes kept in each direction.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        width: int = 128,
        num_layers: int = 6,
        num_heads: int = 4,
        mlp_ratio: float = 2.0,
        decoder_width: int = 32,
        decoder_layers: int = 2,
        modes: int = 12,
    ) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        self.scale = scale
        self.lift = nn.Conv2d(in_channels, width, 3, padding=1)
        self.layers = nn.ModuleList(
            GalerkinLayer(width, num_heads, int(width * mlp_ratio), coordinates=2)
            for _ in range(num_layers)
        )
        self.narrow = nn.Conv2d(width, decoder_width, 3, padding=1)
        self.join = nn.Conv2d(decoder_width + in_channels + 2, decoder_width, 1)
        self.decoder = nn.ModuleList(
            FourierLayer(decoder_width, modes, activated=i > 0) for i in range(decoder_layers)
        )
        self.widen = nn.Conv2d(decoder_width, 4 * decoder_width, 1)
        self.project = nn.Conv2d(4 * decoder_width, out_channels, 1)

    def output_layer(self) -> nn.Conv2d:
        """Return the layer that the output comes from."""
        return self.project

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h * scale, w * scale]."""
        checkpointed = self.training and self.gradient_checkpointing
        height, width = lr.shape[-2:]
        points = to_tokens(coordinates(lr))
        x = to_tokens(self.lift(lr))
        for layer in self.layers:
            x = run_block(layer, x, points, checkpointed=checkpointed)
        features = functional.silu(self.narrow(from_tokens(x, height, width)))
        field = bicubic(lr, self.scale)
        fine = functional.interpolate(
            features, scale_factor=self.scale, mode="bilinear", align_corners=False
        )
        y: Tensor = self.join(torch.cat([fine, field, coordinates(field)], dim=1))
        for layer in self.decoder:
            y = run_block(layer, y, checkpointed=checkpointed)
        # GELU of the last layer, which the others leave to the next.
        return projected(functional.gelu(y), self.widen, self.project)
