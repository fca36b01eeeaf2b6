"""Swin_Transformer (SwinSR): the hierarchical Swin transformer, with pixel-shuffle reconstruction.

Liu et al. (2021), Swin Transformer, arXiv:2103.14030, is a backbone: patches, then stages of
shifted-window attention, each with half the resolution and twice the channels of the one before.
For super-resolution the stages are joined from the coarsest to the finest as in a feature pyramid
(Lin et al. 2017, arXiv:1612.03144), patches are expanded again as in Swin-Unet (Cao et al. 2021,
arXiv:2105.05537), and pixel shuffle enlarges the result. SwinIR differs: it has one resolution
throughout. Layers of the backbone carry the names of the authors' state dict. Left out is
stochastic depth, so that training computes one function, with gradient checkpointing or without.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.padding import pad_to_multiple
from srwizard.models.swin import (
    CachedOrders,
    SwinBlock,
    channel_norm,
    initialised_linear,
    run_blocks,
)
from srwizard.models.upsampling import pixel_shuffle_stages

UPSAMPLING_FEATURES = 64


class PatchEmbedding(nn.Module):
    """Patches of `size` x `size` points, each a vector (section 3.1): a convolution, a norm."""

    def __init__(self, in_channels: int, dim: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.proj = nn.Conv2d(in_channels, dim, size, stride=size)
        self.norm = nn.LayerNorm(dim)

    def forward(self, field: Tensor) -> Tensor:
        """Map [B, C, h, w] to [B, dim, ceil(h / size), ceil(w / size)]."""
        return channel_norm(self.norm, self.proj(pad_to_multiple(field, self.size)))


class PatchMerging(nn.Module):
    """Two by two patches become one of twice the channels (section 3.1)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = initialised_linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, 2 C, ceil(H / 2), ceil(W / 2)]."""
        x = pad_to_multiple(x, 2)
        corners = [x[:, :, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        merged: Tensor = self.reduction(self.norm(torch.cat(corners, dim=1).permute(0, 2, 3, 1)))
        return merged.to(x.dtype).permute(0, 3, 1, 2)


class PatchExpanding(nn.Module):
    """The way back: one patch becomes `factor` x `factor`, by a linear map and pixel shuffle."""

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.expand = nn.Conv2d(inputs, outputs * factor**2, 1)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, *size]; `size` is at most `factor` times H, W."""
        y = functional.pixel_shuffle(self.expand(x), self.factor)
        return y[..., : size[0], : size[1]]


class SwinStage(nn.Module):
    """Swin blocks on one resolution; in every second one the windows are shifted by half.

    Args:
        merges: whether patches are merged behind it: `downsample`, for the next stage.
    """

    called_apart = ("downsample",)

    def __init__(
        self,
        dim: int,
        depth: int,
        num_heads: int,
        window: int,
        mlp_ratio: float,
        *,
        merges: bool = False,
    ) -> None:
        super().__init__()
        self.window = window
        self._orders = CachedOrders(window)
        self.blocks = nn.ModuleList(
            SwinBlock(dim, num_heads, window, mlp_ratio, shifted=bool(i % 2)) for i in range(depth)
        )
        self.downsample = PatchMerging(dim) if merges else None

    def forward(self, x: Tensor, checkpointed: bool) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        height, width = x.shape[-2:]
        padded = pad_to_multiple(x, self.window)
        orders = self._orders.of(padded)
        y = run_blocks(self.blocks, padded, orders, checkpointed=checkpointed)
        return y[..., :height, :width]


class Swin_Transformer(nn.Module):  # noqa: N801, named as its users know it
    """Patches, stages ever coarser, back to the finest, pixel shuffle (figure 3a and above).

    Args:
        in_channels: channels of the low-resolution input.
        out_channels: channels of the super-resolved output.
        scale: ratio HR/LR, 2 or more.
        embed_dim: channels of the first stage; they double from stage to stage.
        depths: Swin blocks in each stage.
        num_heads: attention heads in each stage; they divide its channels.
        window_size: side of the attention window, in patches.
        patch_size: side of a patch, in low-resolution points.
        mlp_ratio: hidden channels of the feed-forward part, relative to the stage's channels.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        scale: int,
        embed_dim: int = 96,
        depths: tuple[int, ...] | list[int] = (2, 2, 6, 2),
        num_heads: tuple[int, ...] | list[int] = (3, 6, 12, 24),
        window_size: int = 7,
        patch_size: int = 1,
        mlp_ratio: float = 4.0,
    ) -> None:
        super().__init__()
        self.gradient_checkpointing: bool = False
        widths = [embed_dim * 2**i for i in range(len(depths))]
        self.conv_first = nn.Conv2d(in_channels, embed_dim, 3, padding=1)
        self.patch_embed = PatchEmbedding(in_channels, embed_dim, patch_size)
        self.layers = nn.ModuleList(
            SwinStage(width, depth, heads, window_size, mlp_ratio, merges=stage < len(widths) - 1)
            for stage, (width, depth, heads) in enumerate(
                zip(widths, depths, num_heads, strict=True)
            )
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        self.expansions = nn.ModuleList(
            PatchExpanding(2 * width, width, 2) for width in widths[:-1]
        )
        self.unpatch = PatchExpanding(embed_dim, embed_dim, patch_size)
        self.conv_after_body = nn.Conv2d(embed_dim, embed_dim, 3, padding=1)
        self.conv_before_upsample = nn.Sequential(
            nn.Conv2d(embed_dim, UPSAMPLING_FEATURES, 3, padding=1), nn.LeakyReLU(inplace=True)
        )
        self.upsample = pixel_shuffle_stages(UPSAMPLING_FEATURES, scale)
        self.conv_last = nn.Conv2d(UPSAMPLING_FEATURES, out_channels, 3, padding=1)

    def output_layer(self) -> nn.Conv2d:
        """Return the layer that the output comes from."""
        return self.conv_last

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h * scale, w * scale]."""
        stages = self._stages(lr)
        x = stages.pop()
        for expansion in reversed(self.expansions):
            beside = stages.pop()
            x = beside + expansion(x, _size(beside))
        deep = self.conv_after_body(self.unpatch(x, _size(lr)))
        features: Tensor = self.conv_before_upsample(self.conv_first(lr) + deep)
        sr: Tensor = self.conv_last(self.upsample(features))
        return sr

    def _stages(self, lr: Tensor) -> list[Tensor]:
        """Return what each stage gives, normalised: [B, embed_dim * 2**i, ...], finest first."""
        checkpointed = self.training and self.gradient_checkpointing
        found = []
        x: Tensor = self.patch_embed(lr)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            assert isinstance(layer, SwinStage)
            x = layer(x, checkpointed)
            found.append(channel_norm(norm, x))
            if layer.downsample is not None:
                x = layer.downsample(x)
        return found


def _size(field: Tensor) -> tuple[int, int]:
    height, width = field.shape[-2:]
    return height, width
