"""The multigrid V-cycle: grids, smoothing, and what a cycle of known smoothers does."""

import pytest
import torch
from torch import Tensor, nn

from srwizard.models.multiwavelet import MultiwaveletTransform
from srwizard.models.swin import channel_norm
from srwizard.models.v_cycle import Smoother, VCycle

CHANNELS, K = 8, 2


def cycle(levels: tuple[int, ...] = (1, 2), embedding: int | None = None) -> VCycle:
    torch.manual_seed(0)
    return VCycle(CHANNELS, K, levels, embedding)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_restriction_undoes_prolongation_and_is_its_transpose(k: int) -> None:
    transform = MultiwaveletTransform(k)
    coarse, fine = torch.randn(2, 3 * k * k, 5, 3), torch.randn(2, 3 * k * k, 10, 6)
    torch.testing.assert_close(transform.restrict(transform.prolong(coarse, 10, 6)), coarse)
    torch.testing.assert_close(
        (transform.restrict(fine) * coarse).sum(), (fine * transform.prolong(coarse, 10, 6)).sum()
    )


@pytest.mark.parametrize("shape", [(8, 12), (7, 5), (1, 1), (1, 6)])
def test_they_are_the_scaling_half_of_the_transform(shape: tuple[int, int]) -> None:
    transform = MultiwaveletTransform(3)
    x = torch.randn(2, 18, *shape)
    scaling, wavelets = transform.decompose(x)
    torch.testing.assert_close(transform.restrict(x), scaling)
    torch.testing.assert_close(
        transform.prolong(scaling, *shape),
        transform.reconstruct(scaling, torch.zeros_like(wavelets), *shape),
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 7), (16, 24)])
def test_any_size(shape: tuple[int, int]) -> None:
    f = torch.randn(2, CHANNELS, *shape)
    u = cycle((1, 1, 1))(f)
    assert u.shape == f.shape
    assert u.isfinite().all()


@pytest.mark.parametrize("embedding", [None, 6])
def test_smoothers_of_zero_give_zero(embedding: int | None) -> None:
    net = cycle(embedding=embedding)
    for module in net.modules():
        if isinstance(module, Smoother):
            for smoother in module.smoothers:
                nn.init.zeros_(smoother.weight)  # type: ignore[arg-type]
                nn.init.zeros_(smoother.bias)  # type: ignore[arg-type]
    told = None if embedding is None else torch.randn(2, embedding)
    assert not net(torch.randn(2, CHANNELS, 6, 9), told).any()


def test_smoothing_takes_the_residual_of_one_operator() -> None:
    """u_1 = S_1 f, then u_2 = u_1 + S_2 (f - A u_1)."""
    torch.manual_seed(0)
    smoother, a = Smoother(CHANNELS, 2), nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
    f = torch.randn(1, CHANNELS, 5, 6)
    first, second = smoother.smoothers
    u = first(f)
    torch.testing.assert_close(smoother(a, f), u + second(f - a(u)))


def test_a_solved_equation_is_left_alone() -> None:
    """With f = A u nothing is left to smooth away, whatever S is without its bias."""
    net = cycle()
    smoother = net.after
    nn.init.zeros_(smoother.smoothers[0].bias)  # type: ignore[arg-type]
    u = torch.randn(1, CHANNELS, 6, 6)
    torch.testing.assert_close(smoother(net.a, net.a(u), u), u)


def test_the_coarser_grid_gets_the_residual_and_gives_a_correction() -> None:
    net = cycle((1,))
    f = torch.randn(2, CHANNELS, 6, 8)
    u = net.before(net.a, f)
    residual = net.transform.restrict(f - net.a(u))
    corrected = u + net.transform.prolong(net.coarser[0](net.a, residual), 6, 8)
    expected = net.after(net.a, f, channel_norm(net.norms[0], corrected))
    torch.testing.assert_close(net(f), expected)


def test_a_closed_gate_shuts_out_the_coarser_grids() -> None:
    net = cycle((1,), embedding=6)
    nn.init.zeros_(net.gates.weight)
    nn.init.constant_(net.gates.bias, -1e4)
    f, told = torch.randn(2, CHANNELS, 6, 8), torch.randn(2, 6)
    u = channel_norm(net.norms[0], net.before(net.a, f, None, told))
    torch.testing.assert_close(net(f, told), net.after(net.a, f, u, told))


def test_what_is_told_scales_and_shifts_the_residual() -> None:
    torch.manual_seed(0)
    smoother, a = Smoother(CHANNELS, 1, embedding=6), nn.Identity()
    f, told = torch.randn(2, CHANNELS, 3, 4), torch.randn(2, 6)
    plain: Tensor = smoother.smoothers[0](f)
    torch.testing.assert_close(smoother(a, f, None, told), plain)  # as it begins
    nn.init.constant_(smoother.film.bias, 1.0)
    torch.testing.assert_close(smoother(a, f, None, told), smoother.smoothers[0](2 * f + 1))
