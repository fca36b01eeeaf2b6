"""HiNOTE: hierarchical neural operator transformer (Luo et al. 2024, arXiv:2405.12202).

Encoder with hybrid up-sampling, a sampler without parameters, and a decoder of Galerkin attention
on several resolutions, joined by sinc filters. As in SRNO the output is a function of the place.
Left out is the paper's frequency-aware prior of the loss: the loss is the training's, not the
network's.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.arbitrary_scale import ArbitraryScaleNetwork
from srwizard.models.checkpointing import run_block
from srwizard.models.galerkin import GalerkinLayer, from_tokens, to_tokens
from srwizard.models.grid_sampling import grid_neighbours, sample_each
from srwizard.models.sinc import SincResampling


class HybridUpsampling(nn.Module):
    """Twice the resolution, the sum of two ways: learned (pixel shuffle) and interpolated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.learned = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.interpolated = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, C, 2 h, 2 w]."""
        smooth = functional.interpolate(
            self.interpolated(x), scale_factor=2, mode="bilinear", align_corners=False
        )
        return functional.pixel_shuffle(self.learned(x), 2) + smooth


class AttentionLevel(nn.Module):
    """Galerkin layers on one resolution."""

    def __init__(self, width: int, num_heads: int, num_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            GalerkinLayer(width, num_heads, hidden=2 * width) for _ in range(num_layers)
        )

    def forward(self, field: Tensor, checkpointed: bool) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        x = to_tokens(field)
        for layer in self.layers:
            x = run_block(layer, x, checkpointed=checkpointed)
        return from_tokens(x, *field.shape[-2:])


class HiNOTE(ArbitraryScaleNetwork):
    """Encode, sample, attend from the coarsest level to the finest, project.

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR of what `forward` gives when it is not told a size.
        num_features: channels of the encoder.
        num_blocks: residual blocks of the encoder.
        width: channels of the decoder, a multiple of `num_heads`.
        num_heads: heads in each attention layer.
        levels: resolutions of the decoder, each half as fine as the one before.
        num_layers: attention layers on each of them.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        num_features: int = 64,
        num_blocks: int = 16,
        width: int = 64,
        num_heads: int = 8,
        levels: int = 3,
        num_layers: int = 1,
    ) -> None:
        super().__init__(in_channels, scale, num_features, num_blocks)
        self.upsample = HybridUpsampling(num_features)
        self.lift = nn.Linear(num_features, width)
        self.places = nn.Linear(4, width)
        self.resampling = SincResampling()
        self.levels = nn.ModuleList(
            AttentionLevel(width, num_heads, num_layers) for _ in range(levels)
        )
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.project = nn.Conv2d(2 * width, out_channels, 1)

    def output_layer(self) -> nn.Conv2d:
        """Return the layer that the output comes from."""
        return self.project

    def decode(self, shallow: Tensor, deep: Tensor, size: tuple[int, int]) -> Tensor:
        """Map features before and after the blocks to [B, out_channels, H, W] for `size` (H, W)."""
        checkpointed = self.training and self.gradient_checkpointing
        encoded = self.upsample(self.skipped(shallow, deep))
        fields = [self._sample(encoded, size)]
        for _ in self.levels[1:]:
            fields.append(self.resampling.halve(fields[-1]))
        x: Tensor | None = None
        for level, field in zip(reversed(self.levels), reversed(fields), strict=True):
            if x is not None:
                field = field + self.resampling.enlarge(x, *field.shape[-2:])
            x = level(field, checkpointed)
        sr: Tensor = self.project(functional.gelu(self.widen(x)))
        return sr

    def _sample(self, encoded: Tensor, size: tuple[int, int]) -> Tensor:
        """Interpolate [B, C, h, w] to [B, width, H, W], places and cell size told to each point."""
        coarse = encoded.shape[-2:]
        rows, columns = grid_neighbours(coarse, size, encoded.device)
        lifted = self.lift(encoded.permute(0, 2, 3, 1))
        field = sample_each((lifted,) * 4, rows, columns)
        field = field + self._place_features(
            rows.offsets[:, 0], columns.offsets[:, 0], coarse, size
        )
        return field.permute(0, 3, 1, 2).contiguous()

    def _place_features(
        self, down: Tensor, right: Tensor, coarse: torch.Size, size: tuple[int, int]
    ) -> Tensor:
        """Return [H, W, width]: a linear map of offset and cell size, in coarse cells."""
        one, two = coarse[0] / size[0], coarse[1] / size[1]
        grid = torch.stack(
            [
                *torch.meshgrid(down, right, indexing="ij"),
                torch.full((len(down), len(right)), one, device=down.device),
                torch.full((len(down), len(right)), two, device=down.device),
            ],
            dim=-1,
        )
        features: Tensor = self.places(grid)
        return features
