"""Attention without softmax, against its definition."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from srwizard.models.galerkin import GalerkinAttention, from_tokens, galerkin_product, to_tokens


def by_definition(attention: GalerkinAttention, x: Tensor, points: Tensor | None) -> Tensor:
    """Return each head's Q (K~' V~) / N through the matrix of all pairs of points: (Q K~') V~."""
    heads, size = attention.num_heads, x.shape[-1] // attention.num_heads
    query, key, value = attention.qkv(x).chunk(3, dim=-1)
    found = []
    for head in range(heads):
        here = slice(head * size, (head + 1) * size)
        q, k, v = query[..., here], key[..., here], value[..., here]
        k, v = (
            functional.layer_norm(part, (size,), norm.weight[here], norm.bias[here])
            for part, norm in ((k, attention.key_norm), (v, attention.value_norm))
        )
        if points is not None:
            q, k, v = (torch.cat([points, part], dim=-1) for part in (q, k, v))
        pairs = q @ k.transpose(1, 2)  # [B, N, N]
        found.append(pairs @ v / x.shape[1])
    return attention.proj(torch.cat(found, dim=-1))


@pytest.mark.parametrize("with_points", [False, True])
def test_equals_the_definition(with_points: bool) -> None:
    torch.manual_seed(0)
    attention = GalerkinAttention(12, 3, coordinates=2 if with_points else 0)
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(2, 35, 12)
    points = torch.rand(2, 35, 2) if with_points else None
    with torch.no_grad():
        torch.testing.assert_close(attention(x, points), by_definition(attention, x, points))


def test_memory_grows_with_the_points_not_with_their_pairs() -> None:
    attention = GalerkinAttention(8, 2)
    made: list[int] = []

    def note(tensor: Tensor) -> Tensor:
        made.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        attention(torch.randn(1, 1000, 8))
    assert max(made) <= 3 * 8 * 1000


def test_a_finer_grid_gives_the_same_function() -> None:
    """The mean over points is an integral: more points of the same function do not change it."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 20, 6) for _ in range(3))
    coarse = galerkin_product(query, key, value, 2)
    fine = galerkin_product(*(part.repeat_interleave(4, dim=1) for part in (query, key, value)), 2)
    torch.testing.assert_close(fine[:, ::4], coarse)


def test_stays_in_range_in_half_precision() -> None:
    ones = torch.ones(1, 200_000, 2, dtype=torch.float16)
    result = galerkin_product(ones, ones, ones, 1)
    assert (result - 2).abs().max() < 0.05


def test_tokens_and_back() -> None:
    field = torch.randn(2, 3, 4, 5)
    assert torch.equal(from_tokens(to_tokens(field), 4, 5), field)
