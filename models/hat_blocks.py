"""The blocks of HAT, see `hat`: attention in windows, of channels, and beyond the windows.

Parameters carry the names of the authors' state dict.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models.rcan import ChannelAttention
from srwizard.models.swin import (
    FeedForward,
    SwinBlock,
    WindowOrders,
    channel_norm,
    fed_forward,
    from_windows,
    initialised_linear,
    to_windows,
)
from srwizard.models.swin_functions import heads_of, joined, probabilities, window_pieces


class ChannelAttentionBlock(nn.Module):
    """Channel attention block, CAB: two convolutions with a bottleneck, channel attention."""

    def __init__(self, dim: int, compress_ratio: int, squeeze_factor: int) -> None:
        super().__init__()
        self.cab = nn.Sequential(
            nn.Conv2d(dim, dim // compress_ratio, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(dim // compress_ratio, dim, 3, padding=1),
            ChannelAttention(dim, squeeze_factor),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        y: Tensor = self.cab(x)
        return y


class HybridBlock(SwinBlock):
    """Hybrid attention block, HAB: windows and channels attend in parallel (equation 4).

    x + attention(norm(x)) + conv_scale * CAB(norm(x)), then the feed-forward part.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window: int,
        mlp_ratio: float,
        channel_attention: ChannelAttentionBlock,
        conv_scale: float,
        *,
        shifted: bool,
    ) -> None:
        super().__init__(dim, num_heads, window, mlp_ratio, shifted=shifted)
        self.conv_scale = conv_scale
        self.conv_block = channel_attention

    def forward(self, field: Tensor, orders: WindowOrders) -> Tensor:  # type: ignore[override]
        """Map [B, C, H, W] to the same shape."""
        rows = field.flatten(2).transpose(1, 2)
        order, mask = ("shifted", orders.mask) if self.shifted else ("windows", None)
        windows = orders.step(rows, "rows", order).reshape(-1, orders.points, rows.shape[-1])
        attended = orders.step(self.attended(windows, mask).view(rows.shape), order, "rows")
        of_channels = self.conv_block(channel_norm(self.norm1, field)).flatten(2).transpose(1, 2)
        x = torch.add(attended, of_channels, alpha=self.conv_scale)
        return fed_forward(x, self.norm2, self.mlp).transpose(1, 2).reshape(field.shape)


class OverlappingBlock(nn.Module):
    """Overlapping cross-attention block, OCAB: a window asks a larger one around it (equation 5).

    Beyond the edges of the field keys and values are zero, as in the authors' code.
    """

    relative_position_index: Tensor

    def __init__(
        self, dim: int, num_heads: int, window: int, overlap_ratio: float, mlp_ratio: float
    ) -> None:
        super().__init__()
        self.num_heads, self.window = num_heads, window
        self.margin = int(overlap_ratio * window) // 2
        side = 2 * window + 2 * self.margin - 1
        self.relative_position_bias_table = nn.Parameter(torch.empty(side**2, num_heads))
        nn.init.normal_(self.relative_position_bias_table, std=0.02)
        offset = torch.arange(window + 2 * self.margin) - torch.arange(window)[:, None]
        offset += 1 - 2 * self.margin  # as the authors count, who go round the end of the table
        index = (side * offset[:, None, :, None] + offset[None, :, None, :]) % side**2
        self.register_buffer(
            "relative_position_index", index.reshape(window**2, -1), persistent=False
        )
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = initialised_linear(dim, 3 * dim)
        self.proj = initialised_linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = FeedForward(dim, int(dim * mlp_ratio))

    def forward(self, field: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        batch, dim = field.shape[:2]
        side = self.window + 2 * self.margin
        qkv = self.qkv(self.norm1(field.permute(0, 2, 3, 1)))
        query = to_windows(qkv[..., :dim], self.window).flatten(0, 1)
        around = functional.unfold(
            qkv[..., dim:].permute(0, 3, 1, 2), side, padding=self.margin, stride=self.window
        )
        around = around.view(batch, 2 * dim, side**2, -1).permute(0, 3, 2, 1).flatten(0, 1)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        # Where nothing is kept for a way back, the scores need not all be there at once.
        at_once = (
            [slice(None)] if torch.is_grad_enabled() else window_pieces(around, self.num_heads)
        )
        attended = torch.empty_like(query)
        for piece in at_once:
            attended[piece] = self._attended(query[piece], around[piece], bias)
        rows = from_windows(attended, field)
        x = field.flatten(2).transpose(1, 2) + self.proj(rows)
        return fed_forward(x, self.norm2, self.mlp).transpose(1, 2).reshape(field.shape)

    def _attended(self, query: Tensor, around: Tensor, bias: Tensor) -> Tensor:
        """Map windows [M, L, C] and keys and values [M, S, 2 C] of theirs to [M, L, C]."""
        (asked,) = heads_of(query, 1, self.num_heads)
        key, value = heads_of(around, 2, self.num_heads)
        shares = probabilities(asked, key, bias, None, slice(None))
        return joined(shares @ value).view(query.shape)
