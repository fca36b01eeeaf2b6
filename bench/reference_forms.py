"""Plain textbook forms of the networks that srwizard computes in another way.

They have the same parameters under the same names, and compute the same function step by step as
the papers write it down, with nothing but autograd behind it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.checkpointing import run_block
from srwizard.models.coordinates import coordinates
from srwizard.models.denoiser import Denoiser
from srwizard.models.denoiser_blocks import SelfAttention
from srwizard.models.fno2d import FNO2d, SpectralConv2d
from srwizard.models.swin import SwinBlock, shift_mask, to_windows
from srwizard.models.swinir import SwinIR
from srwizard.models.upsampling import bicubic


class PlainSpectralConv2d(SpectralConv2d):
    """The whole half spectrum, of which a corner is mapped and the rest set to zero."""

    def _transform(self, x: Tensor) -> Tensor:
        rows, columns = self.modes1, self.modes2
        spectrum = torch.fft.rfft2(x)
        weights1, weights2 = map(torch.view_as_complex, (self.weights1, self.weights2))
        mapped = torch.zeros_like(spectrum)
        mapped[:, :, :rows, :columns] = torch.einsum(
            "bixy,ioxy->boxy", spectrum[:, :, :rows, :columns], weights1
        )
        mapped[:, :, -rows:, :columns] = torch.einsum(
            "bixy,ioxy->boxy", spectrum[:, :, -rows:, :columns], weights2
        )
        y: Tensor = torch.fft.irfft2(mapped, s=x.shape[-2:])
        return y


class PlainFNO2d(FNO2d):
    """FNO2d whose layers do one thing after the other; make one with `plain_fno2d`."""

    def forward(self, lr: Tensor) -> Tensor:
        """Map [B, in_channels, h, w] to [B, out_channels, h * scale, w * scale]."""
        field = bicubic(lr, self.scale)
        x: Tensor = self.lift(torch.cat([field, coordinates(field)], dim=1))
        for number, layer in enumerate(self.layers, start=1):
            x = layer.spectral(x) + layer.pointwise(x)
            x = functional.gelu(x) if number < len(self.layers) else x
        sr: Tensor = self.project(functional.gelu(self.widen(x)))
        return sr


def plain_fno2d(net: FNO2d) -> FNO2d:
    """Let a network use the full FFT, and autograd alone."""
    net.__class__ = PlainFNO2d
    for layer in net.layers:
        assert isinstance(layer.spectral, SpectralConv2d)
        layer.spectral.__class__ = PlainSpectralConv2d
    return net


class PlainSwinBlock(nn.Module):
    """A Swin block on [B, H, W, C]: shift, cut into windows, attend, put together, shift back.

    Args:
        block: whose parameters it has.
        window: side of the windows.
    """

    def __init__(self, block: SwinBlock, window: int) -> None:
        super().__init__()
        self.window = window
        self.shift = window // 2 if block.shifted else 0
        self.norm1, self.attn = block.norm1, block.attn
        self.norm2, self.mlp = block.norm2, block.mlp

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map [B, H, W, C] to the same shape."""
        x = x + self._attend(self.norm1(x), mask)
        y: Tensor = x + self.mlp.fc2(functional.gelu(self.mlp.fc1(self.norm2(x))))
        return y

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        windows = to_windows(x, self.window)
        heads = self.attn.num_heads
        qkv = self.attn.qkv(windows).unflatten(-1, (3, heads, -1))
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5)
        table, index = self.attn.relative_position_bias_table, self.attn.relative_position_index
        bias = table[index].permute(2, 0, 1)
        scores = (query * (channels // heads) ** -0.5) @ key.transpose(-2, -1) + bias
        if self.shift:
            scores = scores + mask[:, None]
        mixed = scores.softmax(dim=-1) @ value
        windows = self.attn.proj(mixed.transpose(2, 3).reshape(windows.shape))
        side = self.window
        x = windows.reshape(batch, height // side, width // side, side, side, channels)
        x = x.transpose(2, 3).reshape(batch, height, width, channels)
        return x.roll((self.shift, self.shift), dims=(1, 2)) if self.shift else x


class PlainSwinIR(SwinIR):
    """SwinIR whose blocks are `PlainSwinBlock`s; make one with `plain_swinir`."""

    def _deep_features(self, shallow: Tensor) -> Tensor:
        checkpointed = self.training and self.gradient_checkpointing
        mask = shift_mask(*shallow.shape[-2:], self.window_size, shallow.device)
        x = self.patch_embed["norm"](shallow.permute(0, 2, 3, 1))
        for layer in self.layers:
            y = x
            for block in layer.residual_group["blocks"].children():
                y = run_block(block, y, mask, checkpointed=checkpointed)
            x = x + layer.conv(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.norm(x).permute(0, 3, 1, 2)


def plain_swinir(net: SwinIR) -> SwinIR:
    """Let a network compute its blocks as the papers write them down."""
    net.__class__ = PlainSwinIR
    for layer in net.layers:
        blocks = layer.residual_group["blocks"]
        for number, block in enumerate(blocks):
            blocks[number] = PlainSwinBlock(block, net.window_size)
    return net


class PlainSelfAttention(nn.Module):
    """Every point attends to every other, in one head: all scores at once, as in SR3's code.

    Args:
        attention: whose parameters it has.
    """

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = attention.norm, attention.qkv, attention.out

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        query, key, value = self.qkv(self.norm(x)).flatten(2).chunk(3, dim=1)
        scores = torch.einsum("bci,bcj->bij", query, key) * query.shape[1] ** -0.5
        mixed = torch.einsum("bij,bcj->bci", scores.softmax(dim=-1), value)
        y: Tensor = x + self.out(mixed.reshape(x.shape))
        return y


def plain_denoiser(net: Denoiser) -> Denoiser:
    """Let a U-Net normalize and attend as the papers write it down."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, SelfAttention):
                setattr(module, name, PlainSelfAttention(child))
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.GroupNorm):
                plain = nn.GroupNorm(child.num_groups, child.num_channels, child.eps)
                plain.weight, plain.bias = child.weight, child.bias
                setattr(module, name, plain)
    return net
