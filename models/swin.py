"""Swin transformer block: attention within windows that shift from block to block.

Liu et al. (2021), Swin Transformer, arXiv:2103.14030, section 3.2. Fields are [B, H, W, C], with
H and W multiples of the window; below, M is the window's side, L = M * M the points in it and
N = (H / M) * (W / M) the number of windows.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models import gpu
from srwizard.models.checkpointing import run_block
from srwizard.models.swin_functions import AttentionHalf, FeedForwardHalf


def to_windows(x: Tensor, window: int) -> Tensor:
    """Cut [B, H, W, C] into windows, row by row: [B, N, L, C]."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // window, window, width // window, window, channels)
    return x.transpose(2, 3).reshape(batch, -1, window * window, channels)


def from_windows(windows: Tensor, field: Tensor) -> Tensor:
    """Put windows [B * N, L, C] together to the points of `field` [B, C, H, W]: [B, H * W, C]."""
    batch, channels, height, width = field.shape
    side = math.isqrt(windows.shape[1])
    x = windows.view(batch, height // side, width // side, side, side, channels)
    return x.transpose(2, 3).reshape(batch, height * width, channels)


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


MOST_BESIDE_EACH_OTHER = 65_535
"""Heads, or fields, in one launch of the fused attention: what CUDA allows along an axis."""
RECOMPUTED_TOGETHER = 2
"""Blocks that gradient checkpointing keeps one input for: a pair with windows and shifted windows.
They keep so little themselves that the inputs of all, which wait for the backward pass beside the
large fields of the up-sampler, would be the larger part."""


class WindowAttention(nn.Module):
    """The parameters of multi-head self-attention with a relative position bias (equation 4)."""

    relative_position_index: Tensor

    def __init__(self, dim: int, num_heads: int, window: int) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"{num_heads} heads do not divide {dim} channels")
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(
            torch.empty((2 * window - 1) ** 2, num_heads)
        )
        nn.init.normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer(
            "relative_position_index", relative_position_index(window), persistent=False
        )
        self.qkv = initialised_linear(dim, 3 * dim)
        self.proj = initialised_linear(dim, dim)

    def bias(self) -> Tensor:
        """Return what is added to the scores of two points for where they lie: [heads, L, L]."""
        table = self.relative_position_bias_table
        return table[self.relative_position_index].permute(2, 0, 1).contiguous()


class FeedForward(nn.Module):
    """The parameters of two linear layers with GELU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = initialised_linear(dim, hidden)
        self.fc2 = initialised_linear(hidden, dim)


class SwinBlock(nn.Module):
    """Window attention, then feed-forward, each normalised before and added (equation 3).

    Args:
        shifted: whether the windows are shifted by half.
    """

    def __init__(
        self, dim: int, num_heads: int, window: int, mlp_ratio: float, *, shifted: bool
    ) -> None:
        super().__init__()
        self.shifted = shifted
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, num_heads, window)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = FeedForward(dim, int(dim * mlp_ratio))

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Map windows [B * N, L, C] to the same shape; `mask` is [N, L, L] or None."""
        return fed_forward(self.attended(windows, mask), self.norm2, self.mlp)

    def attended(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Return the windows with their attention added, the first half of the block."""
        attn = self.attn
        if gpu.computes(windows):
            return attended_at_once(windows, self.norm1, attn, mask)
        x: Tensor = AttentionHalf.apply(  # type: ignore[no-untyped-call]
            windows,
            self.norm1.weight,
            self.norm1.bias,
            attn.qkv.weight,
            attn.qkv.bias,
            attn.proj.weight,
            attn.proj.bias,
            attn.bias(),
            mask,
            attn.num_heads,
        )
        return x


def attended_at_once(
    x: Tensor, norm: nn.LayerNorm, attn: WindowAttention, mask: Tensor | None
) -> Tensor:
    """Return what `SwinBlock.attended` does, by torch's fused attention with the bias as its mask.

    The windows of a field that `mask` [N, L, L] differs for stand beside the heads, so that the
    mask is the same for every field and is not copied for each.
    """
    channels, windows = x.shape[-1], 1 if mask is None else len(mask)
    normal = functional.layer_norm(x, (channels,), norm.weight, norm.bias)
    qkv = functional.linear(normal, attn.qkv.weight, attn.qkv.bias)
    parts = qkv.view(-1, windows, x.shape[1], 3, attn.num_heads, channels // attn.num_heads)
    query, key, value = parts.permute(3, 0, 1, 4, 2, 5).flatten(2, 3)
    bias = attn.bias()[None] if mask is None else attn.bias() + mask[:, None]
    y = _fused_attention(query, key, value, bias.flatten(0, 1)[None].to(query.dtype))
    heads = y.reshape(len(y), windows, attn.num_heads, *y.shape[2:])
    joined = heads.transpose(2, 3).reshape(x.shape)
    return x + functional.linear(joined, attn.proj.weight, attn.proj.bias)


def _fused_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Return torch's fused attention of [B, heads, L, C], in as many launches as it takes.

    Args:
        query, key, value: see above.
        bias: [1, heads, L, L].
    """
    axis = 0 if len(query) > query.shape[1] else 1
    if query.shape[axis] <= MOST_BESIDE_EACH_OTHER:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    most = MOST_BESIDE_EACH_OTHER
    parts = [torch.split(part, most, axis) for part in (query, key, value)]
    biases = torch.split(bias, most, 1) if axis else [bias] * len(parts[0])
    pieces = [
        functional.scaled_dot_product_attention(q, k, v, attn_mask=each)
        for q, k, v, each in zip(*parts, biases, strict=True)
    ]
    return torch.cat(pieces, axis)


def fed_forward(x: Tensor, norm: nn.LayerNorm, mlp: FeedForward) -> Tensor:
    """Return points [B, L, C] with the feed-forward part added, the second half of a block."""
    y: Tensor = FeedForwardHalf.apply(  # type: ignore[no-untyped-call]
        x.flatten(0, 1),
        norm.weight,
        norm.bias,
        mlp.fc1.weight,
        mlp.fc1.bias,
        mlp.fc2.weight,
        mlp.fc2.bias,
    )
    return y.view(x.shape)


class Reorder(torch.autograd.Function):
    """Points in another order; the way back is a lookup, too, where autograd would add up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return x.index_select(1, order)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient.index_select(1, *ctx.saved_tensors), None, None


class WindowOrders:
    """The orders that the points of a field stand in: by row, by window, by shifted window.

    Blocks compute on windows, and a block needs its points in order of its own windows: between
    two blocks they go from one order to the other in a single step.

    Args:
        height, width: of the field, multiples of `window`.
        window: side of the windows.
        device: that the points are on.

    Attributes:
        mask: [N, L, L] of the shifted windows, see `shift_mask`.
    """

    def __init__(self, height: int, width: int, window: int, device: torch.device) -> None:
        self.points = window * window
        self.mask = shift_mask(height, width, window, device)
        numbers = torch.arange(height * width, device=device).view(1, height, width, 1)
        shift = window // 2
        moved = numbers.roll((-shift, -shift), dims=(1, 2))
        rows = numbers.flatten()
        orders = {
            "rows": rows,
            "windows": to_windows(numbers, window).flatten(),
            "shifted": to_windows(moved, window).flatten(),
        }
        self._steps = {
            (old, new): (
                inverse_order(orders[old])[orders[new]],
                inverse_order(orders[new])[orders[old]],
            )
            for old in orders
            for new in orders
            if old != new
        }

    def step(self, x: Tensor, old: str, new: str) -> Tensor:
        """Bring the points of [B, H * W, C] from one order into another."""
        if old == new:
            return x
        y: Tensor = Reorder.apply(x, *self._steps[old, new])  # type: ignore[no-untyped-call]
        return y


def inverse_order(order: Tensor) -> Tensor:
    """Return where each number stands in `order`."""
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(len(order), device=order.device)
    return inverse


class CachedOrders:
    """The orders for the size that was last asked for; made again only when it changes."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._key: object = None
        self._orders: WindowOrders | None = None

    def of(self, field: Tensor) -> WindowOrders:
        """Return the orders for a field [B, C, H, W]."""
        # A fake tensor must never be kept for a real run, so its type is part of the key.
        key = (*field.shape[-2:], field.device, type(field))
        if self._orders is None or key != self._key:
            height, width = field.shape[-2:]
            # Those made for inference could not be used in training.
            with torch.inference_mode(False):
                self._orders = WindowOrders(height, width, self._window, field.device)
            self._key = key
        return self._orders


def run_blocks(
    blocks: Iterable[nn.Module],
    field: Tensor,
    orders: WindowOrders,
    *,
    checkpointed: bool,
    end: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Pass the points of [B, C, H, W] through Swin blocks, put them in rows again, and end.

    `end` maps [B, C, H, W] to the same shape; with the last blocks it is computed again, so that
    its input is not kept.
    """
    x = field.flatten(2).transpose(1, 2)
    now = "rows"
    waiting = list(blocks)
    while len(waiting) > RECOMPUTED_TOGETHER:
        some, waiting = waiting[:RECOMPUTED_TOGETHER], waiting[RECOMPUTED_TOGETHER:]
        x = run_block(partial(_run_some, some, orders, now), x, checkpointed=checkpointed)
        now = _order_of(some[-1])

    def last(x: Tensor) -> Tensor:
        in_rows = orders.step(_run_some(waiting, orders, now, x), _order_of(waiting[-1]), "rows")
        y = in_rows.transpose(1, 2).reshape(field.shape)
        return y if end is None else end(y)

    return run_block(last, x, checkpointed=checkpointed)


def _run_some(blocks: Sequence[nn.Module], orders: WindowOrders, now: str, x: Tensor) -> Tensor:
    """Pass [B, H * W, C], in the order `now`, through blocks; it comes back in that of the last."""
    for block in blocks:
        wanted = _order_of(block)
        windows = orders.step(x, now, wanted).reshape(-1, orders.points, x.shape[-1])
        x = block(windows, orders.mask if block.shifted else None).view(x.shape)
        now = wanted
    return x


def _order_of(block: nn.Module) -> str:
    return "shifted" if block.shifted else "windows"


def channel_norm(norm: nn.Module, field: Tensor) -> Tensor:
    """Normalise the channels of each point of [B, C, H, W]."""
    normal: Tensor = norm(field.permute(0, 2, 3, 1))
    return normal.permute(0, 3, 1, 2)


def initialised_linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """Return a linear layer that starts as the Swin authors' do.

    They cut the normal distribution at 2, a hundred standard deviations, which changes nothing;
    without the cut the network can also be built of fake tensors.
    """
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.normal_(layer.weight, std=0.02)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
