"""The blocks of the U-Net that diffusion models denoise with, see `denoiser`."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.checkpointing import run_block


class Normalisation(nn.GroupNorm):
    """Group normalisation that keeps half precision where autocast would turn to float32.

    Its statistics are float32 in any case. What it gives is kept for the backward pass, of every
    block twice: in float32 that would cost what mixed precision saves.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape and type."""
        with torch.autocast(x.device.type, enabled=False):
            # That of `functional` refuses a group of one value, as a single small field may have.
            return torch.group_norm(
                x, self.num_groups, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps
            )


class Block(nn.Module):
    """Group normalisation, SiLU, dropout and a convolution."""

    def __init__(self, inputs: int, outputs: int, groups: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.block = nn.Sequential(
            Normalisation(groups, inputs),
            nn.SiLU(),
            nn.Dropout(dropout) if dropout else nn.Identity(),
            nn.Conv2d(inputs, outputs, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H, W]."""
        y: Tensor = self.block(x)
        return y


class ResidualBlock(nn.Module):
    """Two blocks; between them every channel is shifted by what the noise level calls for.

    With gradient checkpointing each is one of its own: what a convolution gives is kept, and
    computed again is only what stands before it. Convolutions take four fifths of a step's time.
    """

    def __init__(
        self, inputs: int, outputs: int, embedding: int, groups: int, dropout: float
    ) -> None:
        super().__init__()
        self.draws_random_numbers = dropout > 0
        self._add_shift(embedding, outputs)
        self.block1 = Block(inputs, outputs, groups)
        self.block2 = Block(outputs, outputs, groups, dropout)
        self.res_conv = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def _add_shift(self, embedding: int, outputs: int) -> None:
        """Make the layers that turn [B, embedding] into [B, outputs]."""
        raise NotImplementedError

    def _shift(self, embedding: Tensor) -> Tensor:
        raise NotImplementedError

    def _shifted(self, x: Tensor, embedding: Tensor) -> Tensor:
        # The shift first: it would else be computed again behind the convolution, with it.
        shift = self._shift(embedding)[:, :, None, None]
        return cast(Tensor, self.block1(x) + shift)

    def forward(self, x: Tensor, embedding: Tensor, *, checkpointed: bool = False) -> Tensor:
        """Map [B, inputs, H, W], with an embedding [B, E], to [B, outputs, H, W]."""
        y = run_block(self._shifted, x, embedding, checkpointed=checkpointed)
        y = run_block(
            self.block2,
            y,
            checkpointed=checkpointed,
            draws_random_numbers=self.draws_random_numbers,
        )
        return cast(Tensor, y + self.res_conv(x))


class TimeBlock(ResidualBlock):
    """Shifted by the embedding of a time step."""

    def _add_shift(self, embedding: int, outputs: int) -> None:
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(embedding, outputs))

    def _shift(self, embedding: Tensor) -> Tensor:
        return cast(Tensor, self.mlp(embedding))


class NoiseLevelBlock(ResidualBlock):
    """Shifted by the embedding of a continuous noise level."""

    def _add_shift(self, embedding: int, outputs: int) -> None:
        layer = nn.Sequential(nn.Linear(embedding, outputs))
        self.noise_func = nn.ModuleDict({"noise_func": layer})

    def _shift(self, embedding: Tensor) -> Tensor:
        return cast(Tensor, self.noise_func["noise_func"](embedding))


class SelfAttention(nn.Module):
    """Every point of the field attends to every other, in one head as wide as the channels."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = Normalisation(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        # Channels last in memory: else all scores of a field are held at once, (H * W)^2 of them.
        tokens = self.qkv(self.norm(x)).flatten(2).transpose(1, 2).contiguous()
        query, key, value = tokens[:, None].chunk(3, dim=-1)  # each [B, 1, H * W, C]
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return cast(Tensor, x + self.out(mixed[:, 0].transpose(1, 2).reshape(x.shape)))


class Stage(nn.Module):
    """A residual block, and attention where the level has it."""

    def __init__(self, block: ResidualBlock, attention: nn.Module | None) -> None:
        super().__init__()
        self.res_block = block
        if attention is not None:
            self.attn = attention

    def forward(self, x: Tensor, embedding: Tensor, *, checkpointed: bool = False) -> Tensor:
        """Map [B, inputs, H, W], with an embedding [B, E], to [B, outputs, H, W]."""
        x = self.res_block(x, embedding, checkpointed=checkpointed)
        return run_block(self.attn, x, checkpointed=checkpointed) if hasattr(self, "attn") else x


class Halve(nn.Module):
    """Down to half the resolution, by a convolution with stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W], both sides even, to [B, C, H / 2, W / 2]."""
        return cast(Tensor, self.conv(x))


class Double(nn.Module):
    """Up to twice the resolution: nearest neighbours, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, C, 2 * H, 2 * W]."""
        return cast(Tensor, self.conv(functional.interpolate(x, scale_factor=2, mode="nearest")))
