"""FNO2d: Fourier neural operator (Li et al. 2021, arXiv:2010.08895), here for super-resolution.

The paper maps a function to a function on one grid. So that the same operator can super-resolve,
the low-resolution field is first interpolated to the high-resolution grid.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.checkpointing import run_block
from srwizard.models.coordinates import coordinates
from srwizard.models.fno_functions import FourierLayerFunction, ProjectionFunction
from srwizard.models.fourier import (
    field_by_fft,
    field_by_products,
    mix_modes,
    products_win,
    spectrum_by_fft,
    spectrum_by_products,
)
from srwizard.models.upsampling import bicubic


class SpectralConv2d(nn.Module):
    """Linear map of the lowest Fourier modes (equation 4 and section 4): R . FFT, then back.

    Of the real field's half spectrum, columns [0, modes2) are kept; `weights1` acts on rows
    [0, modes1) and `weights2` on rows [-modes1, 0). A grid too small for all modes uses those
    that it has, each with its own weights.

    The complex weights are stored as pairs of reals, [in, out, modes1, modes2, 2]: neither fused
    optimisers nor gradient scaling take complex parameters.
    """

    def __init__(self, in_channels: int, out_channels: int, modes1: int, modes2: int) -> None:
        super().__init__()
        self.modes1 = modes1
        self.modes2 = modes2
        shape = (in_channels, out_channels, modes1, modes2, 2)
        magnitude = 1 / (in_channels * out_channels)
        self.weights1 = nn.Parameter(magnitude * torch.rand(shape))
        self.weights2 = nn.Parameter(magnitude * torch.rand(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, in_channels, H, W] to [B, out_channels, H, W] of the same type."""
        # In 16 bits an FFT is inexact, on most sizes and devices not even there.
        with torch.autocast(x.device.type, enabled=False):
            y = self._transform(x.float())
        return y.to(x.dtype)

    def _transform(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        weights1, weights2 = self.kept(height, width)
        rows, columns = weights1.shape[2:4]
        if products_win(height, width, columns):
            mixed = mix_modes(spectrum_by_products(x, rows, columns), weights1, weights2)
            return field_by_products(mixed, height, width)
        mixed = mix_modes(spectrum_by_fft(x, rows, columns), weights1, weights2)
        return field_by_fft(mixed, height, width)

    def kept(self, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return the weights of the modes that a grid has."""
        rows = min(self.modes1, height // 2)
        columns = min(self.modes2, width // 2 + 1)
        return self.weights1[:, :, :rows, :columns], self.weights2[
            :, :, self.modes1 - rows :, :columns
        ]


class FourierLayer(nn.Module):
    """GELU, then spectral plus point-wise convolution (equation 2, figure 2b).

    GELU is that of the layer before, so that it need not be kept; the first layer has none.
    """

    def __init__(self, width: int, modes: int, *, activated: bool) -> None:
        super().__init__()
        self.activated = activated
        self.spectral = SpectralConv2d(width, width, modes, modes)
        self.pointwise = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        height, width = x.shape[-2:]
        weights1, weights2 = self.spectral.kept(height, width)
        y: Tensor
        if products_win(height, width, weights1.shape[3]):
            y = FourierLayerFunction.apply(  # type: ignore[no-untyped-call]
                x.contiguous(),
                weights1,
                weights2,
                self.pointwise.weight[:, :, 0, 0],
                self.pointwise.bias,
                self.activated,
            )
            return y
        x = functional.gelu(x) if self.activated else x
        y = self.spectral(x) + self.pointwise(x)
        return y


def projected(x: Tensor, widen: nn.Conv2d, project: nn.Conv2d) -> Tensor:
    """Return project(gelu(widen(x))), two point-wise convolutions of [B, C, H, W]."""
    y: Tensor = ProjectionFunction.apply(  # type: ignore[no-untyped-call]
        x.contiguous(),
        widen.weight[:, :, 0, 0],
        widen.bias,
        project.weight[:, :, 0, 0],
        project.bias,
    )
    return y


class FNO2d(nn.Module):
    """Interpolate, lift, `num_layers` Fourier layers, project (figure 2a).

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR.
        width: channels of every layer.
        modes: Fourier modes kept in each direction.
        num_layers: Fourier layers.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        width: int = 32,
        modes: int = 12,
        num_layers: int = 4,
    ) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        self.scale = scale
        self.lift = nn.Conv2d(in_channels + 2, width, 1)
        self.layers = nn.ModuleList(
            FourierLayer(width, modes, activated=i > 0) for i in range(num_layers)
        )
        # The authors' projection has 128 channels at a width of 32.
        self.widen = nn.Conv2d(width, 4 * width, 1)
        self.project = nn.Conv2d(4 * width, out_channels, 1)

    def output_layer(self) -> nn.Conv2d:
        """Return the layer that the output comes from."""
        return self.project

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h * scale, w * scale]."""
        checkpointed = self.training and self.gradient_checkpointing
        field = bicubic(lr, self.scale)
        x: Tensor = self.lift(torch.cat([field, coordinates(field)], dim=1))
        for layer in self.layers:
            x = run_block(layer, x, checkpointed=checkpointed)
        return projected(x, self.widen, self.project)
