"""Attention without softmax, linear in the number of points (Cao 2021, arXiv:2105.14995).

Points are tokens: [B, N, C]. No N x N matrix is ever made.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class GalerkinAttention(nn.Module):
    """Galerkin-type attention: Q (K~' V~) / N, K~ and V~ normalised in each head.

    Args:
        dim: channels C.
        num_heads: heads; they divide `dim`.
        coordinates: how many coordinates of a point stand beside its channels in every head.
    """

    def __init__(self, dim: int, num_heads: int, coordinates: int = 0) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"{num_heads} heads do not divide {dim} channels")
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.key_norm = HeadNorm(dim, num_heads)
        self.value_norm = HeadNorm(dim, num_heads)
        self.proj = nn.Linear(dim + num_heads * coordinates, dim)
        start_near_identity(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)

    def forward(self, x: Tensor, coordinates: Tensor | None = None) -> Tensor:
        """Map [B, N, C] to the same shape; `coordinates` is [B, N, coordinates] or None."""
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        key, value = self.key_norm(key), self.value_norm(value)
        if coordinates is not None:
            beside = coordinates.to(query.dtype)
            query, key, value = (
                beside_heads(part, beside, self.num_heads) for part in (query, key, value)
            )
        attended: Tensor = self.proj(galerkin_product(query, key, value, self.num_heads))
        return attended


class HeadNorm(nn.Module):
    """Layer normalisation of each head by itself."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, N, C] to the same shape."""
        heads = x.reshape(*x.shape[:-1], self.num_heads, -1)
        normal = functional.layer_norm(heads, heads.shape[-1:]).flatten(2)
        return normal * self.weight.to(normal.dtype) + self.bias.to(normal.dtype)


def galerkin_product(query: Tensor, key: Tensor, value: Tensor, num_heads: int) -> Tensor:
    """Return Q (K' V) / N of each head: [B, N, C] from three of [B, N, C].

    All heads are multiplied at once and the blocks between different heads set to zero: no
    tensor as large as the field has to be put in another order.
    """
    points, channels = query.shape[1:]
    # Shared between both, so that in 16 bits neither the sum over N nor 1 / N leaves the range.
    root = math.sqrt(1 / points)
    basis = (key * root).transpose(1, 2) @ (value * root)
    head = torch.arange(channels, device=query.device) // (channels // num_heads)
    return query @ (basis * (head[:, None] == head))


def beside_heads(x: Tensor, coordinates: Tensor, num_heads: int) -> Tensor:
    """Put the coordinates of every point in front of each head's channels."""
    heads = x.reshape(*x.shape[:-1], num_heads, -1)
    repeated = coordinates[:, :, None].expand(-1, -1, num_heads, -1)
    return torch.cat([repeated, heads], dim=-1).flatten(2)


def start_near_identity(weight: Tensor) -> None:
    """Initialise stacked square matrices as the paper does: small, larger on the diagonal.

    Xavier's uniform distribution times 0.01, plus 0.01 on the diagonal.
    """
    size = weight.shape[1]
    with torch.no_grad():
        for part in torch.split(weight, size):
            nn.init.xavier_uniform_(part, gain=0.01)
            part += 0.01 * torch.eye(size, dtype=part.dtype, device=part.device)


class FeedForward(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., C] to the same shape."""
        y: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return y


class GalerkinLayer(nn.Module):
    """Attention, then feed-forward, each added to its input.

    As in the paper, nothing is normalised but keys and values.
    """

    def __init__(self, dim: int, num_heads: int, hidden: int, coordinates: int = 0) -> None:
        super().__init__()
        self.attention = GalerkinAttention(dim, num_heads, coordinates)
        self.feed_forward = FeedForward(dim, hidden)

    def forward(self, x: Tensor, coordinates: Tensor | None = None) -> Tensor:
        """Map [B, N, C] to the same shape."""
        x = x + self.attention(x, coordinates)
        y: Tensor = x + self.feed_forward(x)
        return y


def to_tokens(field: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, H * W, C]."""
    return field.flatten(2).transpose(1, 2)


def from_tokens(tokens: Tensor, height: int, width: int) -> Tensor:
    """[B, H * W, C] -> [B, C, H, W]."""
    return tokens.transpose(1, 2).reshape(len(tokens), -1, height, width)
