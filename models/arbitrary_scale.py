"""What SRNO and HiNOTE share: the output is a function of the place, asked for on any grid."""

from abc import ABC, abstractmethod
from functools import partial

from torch import Tensor

from srwizard.models.residual_trunk import ResidualBlock, ResidualTrunk


class ArbitraryScaleNetwork(ResidualTrunk, ABC):
    """The encoder of EDSR; a subclass gives the decoder.

    Args:
        in_channels: channels of the low-resolution input.
        scale: ratio HR/LR of what `forward` gives when it is not told a size.
        num_features: channels of the encoder.
        num_blocks: residual blocks of the encoder.
    """

    def __init__(self, in_channels: int, scale: int, num_features: int, num_blocks: int) -> None:
        block = partial(ResidualBlock, num_features, 1.0)
        super().__init__(in_channels, num_features, block, num_blocks)
        self.scale = scale

    def forward(self, lr: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, H, W].

        Args:
            lr: the low-resolution input.
            size: (H, W), any; None: h * scale and w * scale.
        """
        size = size or (self.scale * lr.shape[-2], self.scale * lr.shape[-1])
        shallow: Tensor = self.conv_first(lr)
        return self.decode(shallow, self.deep_features(shallow), size)

    @abstractmethod
    def decode(self, shallow: Tensor, deep: Tensor, size: tuple[int, int]) -> Tensor:
        """Map features before and after the blocks to [B, out_channels, H, W] for `size` (H, W)."""
