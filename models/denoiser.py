"""The U-Net that diffusion models denoise with (Ho et al. 2020, arXiv:2006.11239, appendix B).

SR3 (Saharia et al. 2021, arXiv:2104.07636, section 2.4) takes it over and gives it the noise level
instead of the time step. Layers carry the names of the authors' followers, whose trained weights
are in wide use: `downs`, `mid`, `ups` and `final_conv`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from srwizard.models.channels_last import on_gpu
from srwizard.models.denoiser_blocks import (
    Block,
    Double,
    Halve,
    NoiseLevelBlock,
    ResidualBlock,
    SelfAttention,
    Stage,
    TimeBlock,
)
from srwizard.models.padding import pad_to_multiple


@dataclass(frozen=True)
class Layout:
    """How a U-Net is laid out.

    Attributes:
        inner_channel: channels of the first level, even.
        norm_groups: groups of every normalisation; must divide `inner_channel`.
        channel_mults: channels of each level, in multiples of `inner_channel`; from one level to
            the next the resolution is halved.
        attn_res: sides of the levels that have attention, for a field of `image_size` points a
            side. A field of another size has it on the same levels. The lowest level always has.
        res_blocks: residual blocks of a level on the way down; there is one more on the way up.
        dropout: probability, in the second half of a residual block.
        image_size: see `attn_res`.
    """

    inner_channel: int
    norm_groups: int
    channel_mults: Sequence[int]
    attn_res: Sequence[int]
    res_blocks: int
    dropout: float
    image_size: int


class Denoiser(nn.Module):
    """The U-Net; a subclass says how a noise level is embedded.

    Args:
        in_channels: of the condition and the noisy field together.
        out_channels: of what is predicted.
        layout: of levels and blocks.
        attention: what makes an attention layer of so many channels; None: `SelfAttention`.
    """

    block: type[ResidualBlock]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        layout: Layout,
        attention: Callable[[int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        self.multiple = 2 ** (len(layout.channel_mults) - 1)
        groups, inner = layout.norm_groups, layout.inner_channel
        attend = attention or partial(SelfAttention, groups=groups)

        def stage(inputs: int, outputs: int, attends: bool) -> Stage:
            block = self.block(inputs, outputs, inner, groups, layout.dropout)
            return Stage(block, attend(outputs) if attends else None)

        channels, side = inner, layout.image_size
        skipped = [channels]
        downs: list[nn.Module] = [nn.Conv2d(in_channels, channels, 3, padding=1)]
        widths = [inner * factor for factor in layout.channel_mults]
        for level, width in enumerate(widths):
            for _ in range(layout.res_blocks):
                downs.append(stage(channels, width, side in layout.attn_res))
                channels = width
                skipped.append(channels)
            if level < len(widths) - 1:
                downs.append(Halve(channels))
                skipped.append(channels)
                side //= 2
        ups: list[nn.Module] = []
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(layout.res_blocks + 1):
                attends = side in layout.attn_res
                ups.append(stage(channels + skipped.pop(), width, attends))
                channels = width
            if level > 0:
                ups.append(Double(channels))
                side *= 2
        self.downs = nn.ModuleList(downs)
        deepest = widths[-1]
        self.mid = nn.ModuleList([stage(deepest, deepest, True), stage(deepest, deepest, False)])
        self.ups = nn.ModuleList(ups)
        self.final_conv = output_block(channels, out_channels, groups)
        self._add_embedding(inner)

    def _add_embedding(self, channels: int) -> None:
        """Make the layers that turn what is told, [B], into [B, channels]."""
        raise NotImplementedError

    def _embed(self, told: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Map [B, in_channels, H, W], of any size, to [B, out_channels, H, W].

        Args:
            x: the condition, then the noisy field.
            told: of each sample, [B] or [B, 1]: its time step, or its noise level.
        """
        embedding = self._embed(told.flatten())
        height, width = x.shape[-2:]
        x = self.downs[0](pad_to_multiple(on_gpu(x), self.multiple))
        skipped = [x]
        for layer in self.downs[1:]:
            x = self._layer(layer, x, embedding)
            skipped.append(x)
        for layer in self.mid:
            x = self._layer(layer, x, embedding)
        for layer in self.ups:
            if isinstance(layer, Stage):
                x = torch.cat([x, skipped.pop()], dim=1)
            x = self._layer(layer, x, embedding)
        return cast(Tensor, self.final_conv(x)[..., :height, :width])

    def _layer(self, layer: nn.Module, x: Tensor, embedding: Tensor) -> Tensor:
        if not isinstance(layer, Stage):
            return cast(Tensor, layer(x))
        checkpointed = self.training and self.gradient_checkpointing
        return cast(Tensor, layer(x, embedding, checkpointed=checkpointed))


class TimeEmbedding(nn.Module):
    """Sines and cosines of a time step (Vaswani et al. 2017, arXiv:1706.03762, section 3.5)."""

    inv_freq: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        places = torch.arange(0, channels, 2, dtype=torch.float32)
        self.register_buffer("inv_freq", torch.exp(places * (-math.log(10000) / channels)))

    def forward(self, time: Tensor) -> Tensor:
        """Map steps [B] to [B, channels]."""
        angles = time.float()[:, None] * self.inv_freq
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class NoiseLevelEmbedding(nn.Module):
    """The same of a continuous noise level (Chen et al. 2020, arXiv:2009.00713, section 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.frequencies = channels // 2

    def forward(self, level: Tensor) -> Tensor:
        """Map levels [B] to [B, channels]."""
        places = torch.arange(self.frequencies, dtype=level.dtype, device=level.device)
        angles = level[:, None] * torch.exp(-math.log(10000) / self.frequencies * places)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class TimeDenoiser(Denoiser):
    """Given the number of the time step. Arguments as `Denoiser`."""

    block = TimeBlock

    def _add_embedding(self, channels: int) -> None:
        self.time_mlp = perceptron(TimeEmbedding(channels), channels)

    def _embed(self, told: Tensor) -> Tensor:
        return cast(Tensor, self.time_mlp(told))


class NoiseLevelDenoiser(Denoiser):
    """Given the square root of alpha-bar, the share of the signal. Arguments as `Denoiser`."""

    block = NoiseLevelBlock

    def _add_embedding(self, channels: int) -> None:
        self.noise_level_mlp = perceptron(NoiseLevelEmbedding(channels), channels)

    def _embed(self, told: Tensor) -> Tensor:
        return cast(Tensor, self.noise_level_mlp(told))


def perceptron(embedding: nn.Module, channels: int) -> nn.Sequential:
    """Return an embedding that maps [B] to [B, channels], and two layers after it."""
    return nn.Sequential(
        embedding, nn.Linear(channels, 4 * channels), nn.SiLU(), nn.Linear(4 * channels, channels)
    )


def output_block(inputs: int, outputs: int, groups: int, dropout: float = 0.0) -> Block:
    """Return the block that the prediction comes from.

    Untrained it predicts 0, as in the authors' code: training need not unlearn anything.
    """
    block = Block(inputs, outputs, groups, dropout)
    output_layer = block.block[-1]
    assert isinstance(output_layer, nn.Conv2d) and output_layer.bias is not None
    nn.init.zeros_(output_layer.weight)
    nn.init.zeros_(output_layer.bias)
    return block
