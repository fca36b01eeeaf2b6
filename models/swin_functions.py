"""The two halves of a Swin block, forward and backward by hand, so that less is kept between.

Autograd keeps every intermediate result of a block. Here each half keeps its input and one
product (queries, keys and values; the hidden layer of the feed-forward part); normalisation,
scores, softmax and GELU are computed again on the way back. That costs less time than moving
them through memory. Windows are taken in pieces, so that the scores of all of them, the largest
tensor of a block, are never there at once.

This is the one place that decides how window attention is computed. Parameters are float32;
under autocast the products are taken in its type, normalisation in float32.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from srwizard.models import pieces

EPSILON = 1e-5

aten = torch.ops.aten


class AttentionHalf(torch.autograd.Function):
    """x + proj(attention(norm(x))) on windows [M, L, C]; see `attention_half`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        norm_weight: Tensor,
        norm_bias: Tensor,
        qkv_weight: Tensor,
        qkv_bias: Tensor,
        proj_weight: Tensor,
        proj_bias: Tensor,
        bias: Tensor,
        mask: Tensor | None,
        num_heads: int,
    ) -> Tensor:
        kind = product_type(x)
        ctx.num_heads = num_heads
        ctx.kind = kind
        with torch.autocast(x.device.type, enabled=False):
            qkv_matrix, qkv_shift = qkv_weight.to(kind).T, qkv_bias.to(kind)
            proj_matrix, proj_shift = proj_weight.to(kind).T, proj_bias.to(kind)
            qkv = x.new_empty(*x.shape[:2], 3 * x.shape[2], dtype=kind)
            out = torch.empty_like(x)
            for piece in window_pieces(x, num_heads):
                normal = normalised(x[piece], norm_weight, norm_bias)[0].to(kind).flatten(0, 1)
                torch.addmm(qkv_shift, normal, qkv_matrix, out=qkv[piece].flatten(0, 1))
                query, key, value = heads_of(qkv[piece], 3, num_heads)
                attended = joined(probabilities(query, key, bias, mask, piece) @ value)
                residual = torch.addmm(proj_shift, attended, proj_matrix)
                torch.add(x[piece], residual.view(x[piece].shape), out=out[piece])
        ctx.save_for_backward(x, qkv, norm_weight, norm_bias, qkv_weight, proj_weight, bias, mask)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, qkv, norm_weight, norm_bias, qkv_weight, proj_weight, bias, mask = ctx.saved_tensors
        kind, num_heads = ctx.kind, ctx.num_heads
        with torch.autocast(x.device.type, enabled=False):
            scale = (x.shape[-1] // num_heads) ** -0.5
            qkv_matrix, proj_matrix = qkv_weight.to(kind), proj_weight.to(kind)
            sums = [
                torch.zeros_like(part, dtype=torch.float32)
                for part in (norm_weight, norm_bias, qkv_weight, qkv_weight[:, 0])
            ]
            proj_sums = [torch.zeros_like(proj_weight), torch.zeros_like(proj_weight[:, 0])]
            bias_sum = torch.zeros_like(bias, dtype=torch.float32)
            to_x = torch.empty_like(x)

            def go_back(piece: slice) -> None:
                rows = gradient[piece].to(kind).flatten(0, 1)
                query, key, value = heads_of(qkv[piece], 3, num_heads)
                shares = probabilities(query, key, bias, mask, piece)
                proj_sums[0] += rows.T @ joined(shares @ value)
                proj_sums[1] += rows.sum(0, dtype=torch.float32)
                to_attended = heads_of((rows @ proj_matrix).view(x[piece].shape), 1, num_heads)[0]
                to_qkv = torch.empty_like(qkv[piece]).view(*x[piece].shape[:2], 3, num_heads, -1)
                to_query, to_key, to_value = to_qkv.permute(2, 0, 3, 1, 4)
                to_value.copy_(shares.transpose(-2, -1) @ to_attended)
                to_scores = aten._softmax_backward_data(
                    to_attended @ value.transpose(-2, -1), shares, -1, kind
                )
                del shares, value, to_attended
                bias_sum.add_(to_scores.sum(0, dtype=torch.float32))
                torch.mul(to_scores @ key, scale, out=to_query)
                torch.mul(to_scores.transpose(-2, -1) @ query, scale, out=to_key)
                del to_scores, query, key
                to_rows = to_qkv.view(len(rows), -1)
                normal, *moments = normalised(x[piece], norm_weight, norm_bias)
                sums[2] += to_rows.T @ normal.to(kind).flatten(0, 1)
                sums[3] += to_rows.sum(0, dtype=torch.float32)
                to_normal = (to_rows @ qkv_matrix).view(normal.shape)
                back = normalised_backward(to_normal, x[piece], moments, norm_weight, norm_bias)
                sums[0] += back[1]
                sums[1] += back[2]
                torch.add(gradient[piece], back[0].to(x.dtype), out=to_x[piece])

            for piece in window_pieces(x, num_heads):
                go_back(piece)  # what a piece needs goes before the next one comes
        return to_x, *sums, *proj_sums, bias_sum.to(bias.dtype), None, None


class FeedForwardHalf(torch.autograd.Function):
    """x + fc2(gelu(fc1(norm(x)))) on rows [R, C]; see `feed_forward_half`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        norm_weight: Tensor,
        norm_bias: Tensor,
        weight1: Tensor,
        bias1: Tensor,
        weight2: Tensor,
        bias2: Tensor,
    ) -> Tensor:
        kind = product_type(x)
        ctx.kind = kind
        with torch.autocast(x.device.type, enabled=False):
            matrix1, shift1 = weight1.to(kind).T, bias1.to(kind)
            matrix2, shift2 = weight2.to(kind).T, bias2.to(kind)
            hidden = x.new_empty(len(x), len(bias1), dtype=kind)
            out = torch.empty_like(x)
            for piece in row_pieces(x, len(bias1)):
                normal = normalised(x[piece], norm_weight, norm_bias)[0].to(kind)
                torch.addmm(shift1, normal, matrix1, out=hidden[piece])
                active = torch.nn.functional.gelu(hidden[piece])
                torch.add(x[piece], torch.addmm(shift2, active, matrix2), out=out[piece])
        ctx.save_for_backward(x, hidden, norm_weight, norm_bias, weight1, weight2)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, hidden, norm_weight, norm_bias, weight1, weight2 = ctx.saved_tensors
        kind = ctx.kind
        with torch.autocast(x.device.type, enabled=False):
            matrix1, matrix2 = weight1.to(kind), weight2.to(kind)
            like = (norm_weight, norm_bias, weight1, weight1[:, 0], weight2, weight2[:, 0])
            sums = [torch.zeros_like(part, dtype=torch.float32) for part in like]
            to_x = torch.empty_like(x)

            def go_back(piece: slice) -> None:
                rows = gradient[piece].to(kind)
                sums[4] += rows.T @ torch.nn.functional.gelu(hidden[piece])
                sums[5] += rows.sum(0, dtype=torch.float32)
                to_hidden = aten.gelu_backward(rows @ matrix2, hidden[piece])
                normal, *moments = normalised(x[piece], norm_weight, norm_bias)
                sums[2] += to_hidden.T @ normal.to(kind)
                sums[3] += to_hidden.sum(0, dtype=torch.float32)
                to_normal = to_hidden @ matrix1
                del to_hidden, normal
                back = normalised_backward(to_normal, x[piece], moments, norm_weight, norm_bias)
                sums[0] += back[1]
                sums[1] += back[2]
                torch.add(gradient[piece], back[0].to(x.dtype), out=to_x[piece])

            for piece in row_pieces(x, len(weight1)):
                go_back(piece)
        return to_x, *sums


def product_type(x: Tensor) -> torch.dtype:
    """Return the type that products are taken in: autocast's, or that of the tensor."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def window_pieces(x: Tensor, num_heads: int) -> Iterator[slice]:
    """Cut windows [M, L, C]: the largest tensors are the scores, or queries, keys and values."""
    windows, points, channels = x.shape
    return pieces.at_a_time(
        windows, 4 * max(num_heads * points * points, 3 * points * channels), x.device.type
    )


def row_pieces(x: Tensor, hidden: int) -> Iterator[slice]:
    """Cut rows [R, C], of which the hidden layer makes [R, hidden]."""
    return pieces.at_a_time(len(x), 4 * max(hidden, x.shape[1]), x.device.type)


def normalised(x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return layer normalisation in float32, the means, and one over the spreads."""
    result: tuple[Tensor, Tensor, Tensor] = aten.native_layer_norm(
        x.float(), x.shape[-1:], weight, bias, EPSILON
    )
    return result


def normalised_backward(
    gradient: Tensor, x: Tensor, moments: list[Tensor], weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of input, weight and bias of `normalised`, in float32."""
    result: tuple[Tensor, Tensor, Tensor] = aten.native_layer_norm_backward(
        gradient.float(), x.float(), x.shape[-1:], *moments, weight, bias, [True, True, True]
    )
    return result


def heads_of(rows: Tensor, parts: int, num_heads: int) -> Tensor:
    """[m, L, parts * C] -> [parts, m, heads, L, C / heads], each part contiguous."""
    windows, points, _ = rows.shape
    split = rows.view(windows, points, parts, num_heads, -1)
    return split.permute(2, 0, 3, 1, 4).contiguous()


def joined(heads: Tensor) -> Tensor:
    """[m, heads, L, d] -> [m * L, heads * d]."""
    return heads.transpose(1, 2).reshape(heads.shape[0] * heads.shape[2], -1)


def probabilities(
    query: Tensor, key: Tensor, bias: Tensor, mask: Tensor | None, piece: slice
) -> Tensor:
    """Return the softmax over keys: [m, heads, L, L] from [m, heads, L, d].

    `bias` is [heads, L, L]; `mask` is [N, L, L] or None: windows come N to a field.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    scores += bias.to(scores.dtype)
    if mask is not None:
        scores += masks_of(mask, piece).to(scores.dtype)[:, None]
    shares: Tensor = scores.softmax(-1)
    return shares


def masks_of(mask: Tensor, piece: slice) -> Tensor:
    """Return the masks of windows `piece`: [m, L, L]; that of window i is mask[i % N]."""
    count = len(mask)
    if (
        piece.stop - piece.start <= count
        and piece.start % count + piece.stop - piece.start <= count
    ):
        start = piece.start % count
        return mask[start : start + piece.stop - piece.start]
    numbers = torch.arange(piece.start, piece.stop, device=mask.device) % count
    return mask[numbers]
