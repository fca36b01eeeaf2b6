"""M2NO2d: multiwavelet-based multigrid neural operator (Li et al. 2024, arXiv:2406.04822).

The operator works on the low-resolution grid and sub-pixel convolutions enlarge its result. Where
the authors normalise whole grids of one fixed size, each point is normalised here.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.checkpointing import run_block
from srwizard.models.upsampling import pixel_shuffle_stages
from srwizard.models.v_cycle import VCycle


class M2NO2d(nn.Module):
    """Lift, `num_layers` V-cycles with GELU between them, two layers out.

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR.
        k: Legendre polynomials in each direction.
        c: channels of k * k coefficients each.
        num_layers: V-cycles.
        grid_levels: smoothing steps on each coarser grid, from fine to coarse.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        k: int = 4,
        c: int = 4,
        num_layers: int = 4,
        grid_levels: Sequence[int] = (1, 1, 1),
    ) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        channels = c * k * k
        self.lift = nn.Conv2d(in_channels, channels, 1)
        self.layers = nn.ModuleList(VCycle(channels, k, grid_levels) for _ in range(num_layers))
        self.hidden = nn.Conv2d(channels, channels, 1)
        self.upsample = pixel_shuffle_stages(channels, scale)
        self.project = nn.Conv2d(channels, out_channels, 3, padding=1)

    def output_layer(self) -> nn.Conv2d:
        """Return the layer that the output comes from."""
        return self.project

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h * scale, w * scale]."""
        checkpointed = self.training and self.gradient_checkpointing
        x: Tensor = self.lift(lr)
        for number, layer in enumerate(self.layers):
            x = run_block(layer, functional.gelu(x) if number else x, checkpointed=checkpointed)
        sr: Tensor = self.project(self.upsample(functional.gelu(self.hidden(x))))
        return sr
