"""A network that learns only what bicubic interpolation misses."""

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from srwizard.models.diffusion import DiffusionModel
from srwizard.models.upsampling import bicubic


@runtime_checkable
class HasOutputLayer(Protocol):
    """A network that can say which layer its output comes from."""

    def output_layer(self) -> nn.Conv2d | nn.Linear: ...


class GlobalSkip(nn.Module):
    """`bicubic(lr[:, :out_channels]) + net(lr)`, as in VDSR (Kim et al. 2016, arXiv:1511.04587).

    The output layer of `net` starts at zero, so that an untrained network is bicubic
    interpolation exactly and training can only go up from there.

    Args:
        net: maps [B, C, h, w] to [B, out_channels, h * scale, w * scale].
        out_channels: the leading input channels are those that are super-resolved.
        scale: ratio HR/LR.
    """

    def __init__(self, net: nn.Module, *, out_channels: int, scale: int) -> None:
        super().__init__()
        start_from_zero(net)
        self.net = net
        self.out_channels = out_channels
        self.scale = scale

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, out_channels, h * scale, w * scale]; float32 under autocast."""
        residual: Tensor = self.net(lr)
        return bicubic(lr[:, : self.out_channels], self.scale) + residual


def start_from_zero(net: nn.Module) -> None:
    """Let an untrained network give 0; a diffusion model, what a skip outside of it misses.

    Raises:
        TypeError: the network does not say which layer its output comes from.
    """
    if isinstance(net, DiffusionModel):
        net.skip_outside = True
        return
    if not isinstance(net, HasOutputLayer):
        raise TypeError(f"{type(net).__name__} has no output_layer(), which a skip needs")
    output_layer = net.output_layer()
    nn.init.zeros_(output_layer.weight)
    if output_layer.bias is not None:
        nn.init.zeros_(output_layer.bias)
