"""Swin transformer block: attention within windows that shift from block to block.

Liu et al. (2021), Swin Transformer, arXiv:2103.14030, section 3.2. Fields are [B, H, W, C], with
H and W multiples of the window; below, M is the window's side, L = M * M the points in it and
N = (H / M) * (W / M) the number of windows.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def to_windows(x: Tensor, window: int) -> Tensor:
    """Cut [B, H, W, C] into windows, row by row: [B, N, L, C]."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // window, window, width // window, window, channels)
    return x.transpose(2, 3).reshape(batch, -1, window * window, channels)


def from_windows(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """Put [B, N, L, C] together again: [B, H, W, C]."""
    batch, _, _, channels = windows.shape
    x = windows.reshape(batch, height // window, width // window, window, window, channels)
    return x.transpose(2, 3).reshape(batch, height, width, channels)


def shift_mask(height: int, width: int, window: int, device: torch.device) -> Tensor:
    """Return [N, L, L]: 0 where two points of a shifted window may attend to each other, else -100.

    A cyclic shift brings points from opposite edges of the field into one window; they must not
    see each other (figure 4). -100 is the authors' stand-in for minus infinity.
    """
    shift = window // 2
    rows = torch.zeros(height, dtype=torch.int64, device=device)
    rows[-window:-shift] = 1
    rows[-shift:] = 2
    columns = torch.zeros(width, dtype=torch.int64, device=device)
    columns[-window:-shift] = 1
    columns[-shift:] = 2
    regions = to_windows((3 * rows[:, None] + columns)[None, :, :, None], window)[0, :, :, 0]
    apart = regions[:, :, None] != regions[:, None, :]
    return torch.zeros(apart.shape, device=device).masked_fill(apart, -100.0)


def relative_position_index(window: int) -> Tensor:
    """Return [L, L]: the row of the bias table for the offset between two points of a window."""
    y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    dy = y.flatten()[:, None] - y.flatten() + window - 1
    dx = x.flatten()[:, None] - x.flatten() + window - 1
    return dy * (2 * window - 1) + dx


class WindowAttention(nn.Module):
    """Multi-head self-attention with a relative position bias (equation 4)."""

    relative_position_index: Tensor

    def __init__(self, dim: int, num_heads: int, window: int) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"{num_heads} heads do not divide {dim} channels")
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(
            torch.empty((2 * window - 1) ** 2, num_heads)
        )
        nn.init.normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer(
            "relative_position_index", relative_position_index(window), persistent=False
        )
        self.qkv = initialised_linear(dim, 3 * dim)
        self.proj = initialised_linear(dim, dim)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Map windows [B, N, L, C] to the same shape; `mask` is [N, L, L] or None."""
        qkv = self.qkv(windows).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5)  # each [B, N, heads, L, C / heads]
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if mask is not None:
            # Joined while small: the scores are larger by the batch.
            bias = bias + mask[:, None]
        scores = (query * self.scale) @ key.transpose(-2, -1) + bias
        mixed = scores.softmax(dim=-1) @ value
        attended: Tensor = self.proj(mixed.transpose(2, 3).reshape(windows.shape))
        return attended


class FeedForward(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = initialised_linear(dim, hidden)
        self.fc2 = initialised_linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., C] to the same shape."""
        y: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return y


class SwinBlock(nn.Module):
    """Window attention, then feed-forward, each normalised before and added (equation 3).

    Args:
        shift: points by which the windows are shifted; 0, or half of `window`.
    """

    def __init__(self, dim: int, num_heads: int, window: int, shift: int, mlp_ratio: float) -> None:
        super().__init__()
        self.window = window
        self.shift = shift
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, num_heads, window)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = FeedForward(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map [B, H, W, C] to the same shape; `mask` (see `shift_mask`) counts if shifted."""
        x = x + self._attend(self.norm1(x), mask)
        y: Tensor = x + self.mlp(self.norm2(x))
        return y

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        windows = self.attn(to_windows(x, self.window), mask if self.shift else None)
        x = from_windows(windows, self.window, height, width)
        return x.roll((self.shift, self.shift), dims=(1, 2)) if self.shift else x


def initialised_linear(inputs: int, outputs: int) -> nn.Linear:
    """Return a linear layer that starts as the Swin authors' do.

    They cut the normal distribution at 2, a hundred standard deviations, which changes nothing;
    without the cut the network can also be built of fake tensors.
    """
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer
