"""UNet2d: U-Net (Ronneberger et al. 2015, arXiv:1505.04597), here for super-resolution.

The paper maps an image to an image of the same size. So that the same network can super-resolve,
the low-resolution field is first interpolated to the high-resolution grid. Convolutions are
padded, where the paper's lose a margin.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.channels_last import on_gpu
from srwizard.models.checkpointing import run_block
from srwizard.models.padding import pad_to_multiple
from srwizard.models.upsampling import bicubic


class DoubleConvolution(nn.Module):
    """Two 3 x 3 convolutions, each followed by ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = initialised_convolution(inputs, outputs)
        self.conv2 = initialised_convolution(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H, W]."""
        y = functional.relu(self.conv1(x), inplace=True)
        return functional.relu(self.conv2(y), inplace=True)


class Descent(nn.Module):
    """Halve the resolution by max pooling, double the channels."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.convolutions = DoubleConvolution(inputs, 2 * inputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, 2 C, H / 2, W / 2]."""
        y: Tensor = self.convolutions(functional.max_pool2d(x, 2))
        return y


class Ascent(nn.Module):
    """Double the resolution by an up-convolution, join what the descent had there."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(2 * outputs, outputs, 2, stride=2)
        self.convolutions = DoubleConvolution(2 * outputs, outputs)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """Map [B, 2 C, H / 2, W / 2] and [B, C, H, W] to [B, C, H, W]."""
        y: Tensor = self.convolutions(torch.cat([beside, self.up(x)], dim=1))
        return y


class UNet2d(nn.Module):
    """Interpolate, descend, ascend, project (figure 1).

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR.
        features: channels at full resolution; they double at every level below.
        levels: how often the resolution is halved.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        features: int = 64,
        levels: int = 4,
    ) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        self.scale = scale
        self.multiple = 2**levels
        self.first = DoubleConvolution(in_channels, features)
        self.descents = nn.ModuleList(Descent(features * 2**i) for i in range(levels))
        self.ascents = nn.ModuleList(Ascent(features * 2**i) for i in reversed(range(levels)))
        self.project = nn.Conv2d(features, out_channels, 1)

    def output_layer(self) -> nn.Conv2d:
        """Return the layer that the output comes from."""
        return self.project

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h * scale, w * scale]."""
        checkpointed = self.training and self.gradient_checkpointing
        field = on_gpu(bicubic(lr, self.scale))
        height, width = field.shape[-2:]
        x = run_block(self.first, pad_to_multiple(field, self.multiple), checkpointed=checkpointed)
        passed = []
        for descent in self.descents:
            passed.append(x)
            x = run_block(descent, x, checkpointed=checkpointed)
        for ascent in self.ascents:
            x = run_block(ascent, x, passed.pop(), checkpointed=checkpointed)
        sr: Tensor = self.project(x)
        return sr[..., :height, :width]


def initialised_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3 x 3 convolution with weights of spread sqrt(2 / N), N inputs each (section 3)."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
