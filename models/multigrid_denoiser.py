"""V-cycles that diffusion models can denoise with, in place of the U-Net of `denoiser`.

No paper stands behind it: the cycles are those of M2NO (see `v_cycle`), each added to what it is
given, and told the time step as the blocks of the U-Net are.
"""

from functools import partial
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.checkpointing import run_block
from srwizard.models.denoiser import Layout, output_block, perceptron
from srwizard.models.v_cycle import VCycle

POLYNOMIALS = 2
"""In each direction; four coefficients share the channels."""
CYCLES = 4
"""As many as M2NO2d has by default."""


class MultigridDenoiser(nn.Module):
    """V-cycles at the width of the first level of a U-Net, on as many grids as it has levels.

    Args:
        in_channels: of the condition and the noisy field together.
        out_channels: of what is predicted.
        layout: `inner_channel`, a multiple of 4, is the width; `channel_mults` says by its length
            how many grids there are, `res_blocks` how often each coarser one is smoothed; what is
            said of attention does not count.
        embedding: turns what is told [B] into [B, inner_channel].
    """

    def __init__(
        self, in_channels: int, out_channels: int, layout: Layout, embedding: nn.Module
    ) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        channels = layout.inner_channel
        levels = [layout.res_blocks] * (len(layout.channel_mults) - 1)
        self.embedding = perceptron(embedding, channels)
        self.downs = nn.ModuleList([nn.Conv2d(in_channels, channels, 3, padding=1)])
        self.cycles = nn.ModuleList(
            VCycle(channels, POLYNOMIALS, levels, embedding=channels) for _ in range(CYCLES)
        )
        self.final_conv = output_block(channels, out_channels, layout.norm_groups, layout.dropout)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Map [B, in_channels, H, W], of any size, to [B, out_channels, H, W].

        Args:
            x: the condition, then the noisy field.
            told: of each sample, [B] or [B, 1]: its time step, or its noise level.
        """
        embedding = self.embedding(told.flatten())
        x = self.downs[0](x)
        checkpointed = self.training and self.gradient_checkpointing
        for cycle in self.cycles:
            x = run_block(partial(_added, cycle), x, embedding, checkpointed=checkpointed)
        return cast(Tensor, self.final_conv(x))


def _added(cycle: nn.Module, x: Tensor, embedding: Tensor) -> Tensor:
    """Return `x` with what a cycle makes of it."""
    return cast(Tensor, x + cycle(functional.gelu(x), embedding))
