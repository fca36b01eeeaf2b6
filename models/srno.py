"""SRNO: super-resolution neural operator (Wei and Zhang 2023, arXiv:2303.02584).

The output is a function of the place: `forward` gives it on the grid that the scale asks for, or
on one of any size. Left out is the bilinear skip of the paper: `GlobalSkip` has a better one.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.arbitrary_scale import ArbitraryScaleNetwork
from srwizard.models.checkpointing import run_block
from srwizard.models.galerkin import GalerkinLayer, from_tokens
from srwizard.models.grid_sampling import grid_neighbours, sample_each


class Lifting(nn.Module):
    """Features of the four nearest coarse cells, weighted by area, beside places and cell size.

    The paper joins all of these at every fine point, then takes a linear map of them. That map is
    linear in each part: here it is taken of the coarse features, and of each coordinate by itself,
    before they are spread over the fine grid.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.features = nn.Linear(features, 4 * width, bias=False)
        self.rows = nn.Linear(2, width, bias=False)
        self.columns = nn.Linear(2, width, bias=False)
        self.cell = nn.Linear(2, width)

    def forward(self, encoded: Tensor, size: tuple[int, int]) -> Tensor:
        """Map [B, features, h, w] to [B, H * W, width] for `size` (H, W)."""
        coarse = encoded.shape[-2:]
        rows, columns = grid_neighbours(coarse, size, encoded.device)
        corners = self.features(encoded.permute(0, 2, 3, 1)).chunk(4, dim=-1)
        # Filled on the device: a copy from main memory would make the host wait.
        sides = zip(coarse, size, strict=True)
        cell = torch.cat([encoded.new_full((1,), few / many) for few, many in sides])
        along_rows = self.rows(rows.offsets) + self.cell(cell)
        places = along_rows[:, None] + self.columns(columns.offsets)
        sampled: Tensor = sample_each(corners, rows, columns) + places
        return sampled.flatten(1, 2)


class SRNO(ArbitraryScaleNetwork):
    """Encode, lift to the grid that is asked for, attend, project (section 3, figure 2).

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR of what `forward` gives when it is not told a size.
        num_features: channels of the encoder, which is that of EDSR.
        num_blocks: residual blocks of the encoder.
        width: channels of the attention layers, a multiple of `num_heads`.
        num_heads: heads in each attention layer.
        num_layers: attention layers.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        num_features: int = 64,
        num_blocks: int = 16,
        width: int = 256,
        num_heads: int = 16,
        num_layers: int = 2,
    ) -> None:
        super().__init__(in_channels, scale, num_features, num_blocks)
        self.lift = Lifting(num_features, width)
        self.layers = nn.ModuleList(
            GalerkinLayer(width, num_heads, hidden=width) for _ in range(num_layers)
        )
        self.widen = nn.Linear(width, width)
        self.project = nn.Linear(width, out_channels)

    def output_layer(self) -> nn.Linear:
        """Return the layer that the output comes from."""
        return self.project

    def decode(self, shallow: Tensor, deep: Tensor, size: tuple[int, int]) -> Tensor:
        """Map features before and after the blocks to [B, out_channels, H, W] for `size` (H, W)."""
        checkpointed = self.training and self.gradient_checkpointing
        x: Tensor = self.lift(self.skipped(shallow, deep), size)
        for layer in self.layers:
            x = run_block(layer, x, checkpointed=checkpointed)
        sr: Tensor = self.project(functional.gelu(self.widen(x)))
        return from_tokens(sr, *size)
