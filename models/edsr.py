"""EDSR: enhanced deep residual network (Lim et al. 2017, arXiv:1707.02921, figure 3).

Layers carry the names of BasicSR's layout. The mean shift of RGB images is left out: ocean fields
come normalised.
"""

from functools import partial

from srwizard.models.residual_trunk import PixelShuffleNetwork, ResidualBlock


class EDSR(PixelShuffleNetwork):
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
        block = partial(ResidualBlock, num_features, res_scale)
        super().__init__(in_channels, out_channels, scale, num_features, block, num_blocks)
