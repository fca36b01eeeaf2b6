"""MWT2d: multiwavelet-based neural operator (Gupta et al. 2021, arXiv:2109.13459).

The operator works on the low-resolution grid and sub-pixel convolutions enlarge its result. The
wavelets' coefficients are the three products of the two-dimensional transform, so that the
transform loses nothing.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.checkpointing import run_block
from srwizard.models.coordinates import coordinates
from srwizard.models.fno2d import SpectralConv2d
from srwizard.models.multiwavelet import MultiwaveletTransform
from srwizard.models.upsampling import pixel_shuffle_stages


class SpectralKernel(nn.Module):
    """The kernel A: a truncated Fourier operator on each kind of wavelets, then a linear map."""

    def __init__(self, channels: int, modes: int) -> None:
        super().__init__()
        self.kinds = nn.ModuleList(
            SpectralConv2d(channels, channels, modes, modes) for _ in range(3)
        )
        self.linear = nn.Conv2d(3 * channels, 3 * channels, 1)

    def forward(self, wavelets: Tensor) -> Tensor:
        """Map [B, 3 C, h, w] to the same shape."""
        parts = wavelets.chunk(3, dim=1)
        mixed = [kernel(part) for kernel, part in zip(self.kinds, parts, strict=True)]
        y: Tensor = self.linear(functional.relu(torch.cat(mixed, dim=1), inplace=True))
        return y


class LocalKernel(nn.Module):
    """The kernels B and C: a convolution, ReLU, a linear map."""

    def __init__(self, inputs: int, outputs: int, hidden: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, hidden, 3, padding=1)
        self.linear = nn.Conv2d(hidden, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, h, w] to [B, outputs, h, w]."""
        y: Tensor = self.linear(functional.relu(self.convolution(x), inplace=True))
        return y


class MultiwaveletLayer(nn.Module):
    """Decompose down to one point, transform every level, put together again.

    The kernels are the same on every level: wavelets = A(wavelets) + B(scaling), and C(wavelets)
    is added to the scaling coefficients; on the coarsest level these pass a linear map. A field
    of any size works: what is odd is padded on its way down and cropped on its way up.
    """

    def __init__(self, channels: int, k: int, modes: int, *, activated: bool) -> None:
        super().__init__()
        self.activated = activated
        self.transform = MultiwaveletTransform(k)
        self.a = SpectralKernel(channels, modes)
        self.b = LocalKernel(channels, 3 * channels, channels)
        self.c = LocalKernel(3 * channels, channels, channels)
        self.coarsest = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, h, w] to the same shape."""
        levels = max(1, (max(x.shape[-2:]) - 1).bit_length())
        passed = []
        for _ in range(levels):
            height, width = x.shape[-2:]
            x, wavelets = self.transform.decompose(x)
            passed.append((self.a(wavelets) + self.b(x), self.c(wavelets), height, width))
        x = self.coarsest(x)
        for wavelets, scaling, height, width in reversed(passed):
            x = self.transform.reconstruct(x + scaling, wavelets, height, width)
        return functional.relu(x, inplace=True) if self.activated else x


class MWT2d(nn.Module):
    """Lift, `num_layers` multiwavelet layers, enlarge, project.

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR.
        k: number of polynomials in each direction.
        c: channels of k * k coefficients each.
        modes: Fourier modes that kernel A keeps in each direction; called alpha in the paper.
        num_layers: multiwavelet layers.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        k: int = 3,
        c: int = 4,
        modes: int = 12,
        num_layers: int = 4,
    ) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        channels = c * k * k
        self.lift = nn.Conv2d(in_channels + 2, channels, 1)
        self.layers = nn.ModuleList(
            MultiwaveletLayer(channels, k, modes, activated=i < num_layers - 1)
            for i in range(num_layers)
        )
        self.upsample = pixel_shuffle_stages(channels, scale)
        self.project = nn.Conv2d(channels, out_channels, 3, padding=1)

    def output_layer(self) -> nn.Conv2d:
        """Return the layer that the output comes from."""
        return self.project

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h * scale, w * scale]."""
        checkpointed = self.training and self.gradient_checkpointing
        x: Tensor = self.lift(torch.cat([lr, coordinates(lr)], dim=1))
        for layer in self.layers:
            x = run_block(layer, x, checkpointed=checkpointed)
        sr: Tensor = self.project(self.upsample(x))
        return sr
