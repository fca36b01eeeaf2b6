"""What fields of fluids are like, term by term, against NumPy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from srwizard.models.fluid_residual import (
    BINS,
    biharmonic,
    block_means,
    fluid_residual,
    log_spectrum,
    perona_malik,
    spread,
    too_much_power,
)


def grid(height: int = 12, width: int = 16) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return y[None, None], x[None, None]


def water(like: Tensor) -> Tensor:
    return torch.ones_like(like, dtype=torch.bool)


def test_biharmonic_of_a_polynomial() -> None:
    """Of x^4 / 8 + x^2 y^2 / 4 + y^3 + 7 x: 3 + 2, exactly, by differences, too."""
    y, x = (part.double() for part in grid())
    field = x**4 / 8 + x**2 * y**2 / 4 + y**3 + 7 * x
    found = biharmonic(field, water(field))
    inside = found[..., 2:-2, 2:-2]
    torch.testing.assert_close(inside, torch.full_like(inside, 5.0))


def test_nothing_flows_across_the_edge_of_the_water() -> None:
    field, anchor = torch.randn(2, 1, 3, 9, 11).double().unbind()
    mask = torch.rand(field.shape) < 0.7
    for found in (biharmonic(field, mask), perona_malik(field, anchor, mask)):
        torch.testing.assert_close(found.sum(dim=(2, 3)), torch.zeros(1, 3).double())
        assert not found[~mask].any()
    assert not biharmonic(torch.full_like(field, 3.0), mask).any()


def test_diffusion_stops_at_the_fronts_of_the_anchor() -> None:
    """By hand: g at each point, its mean on each side, and what flows through that side."""
    field, anchor = torch.randn(2, 1, 1, 7, 8).double().unbind()
    found = perona_malik(field, anchor, water(field))[0, 0].numpy()
    f, a = field[0, 0].numpy(), np.pad(anchor[0, 0].numpy(), 1, mode="edge")
    squares = 0.5 * sum(
        (a[1:-1, 1:-1] - a[1 + dy : 8 + dy, 1 + dx : 9 + dx]) ** 2
        for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))
    )
    g = 1 / (1 + squares / squares.mean())
    expected = np.zeros_like(f)
    for y, x in np.ndindex(f.shape):
        for v, u in ((y, x + 1), (y, x - 1), (y + 1, x), (y - 1, x)):
            if 0 <= v < 7 and 0 <= u < 8:
                expected[y, x] += (g[y, x] + g[v, u]) / 2 * (f[v, u] - f[y, x])
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_radial_spectrum() -> None:
    field = torch.randn(2, 3, 12, 15)
    found = log_spectrum(field, water(field)).numpy()
    power = np.abs(np.fft.rfft2(field.numpy())) ** 2 / (12 * 15)
    radius = np.hypot(np.fft.fftfreq(12)[:, None], np.fft.rfftfreq(15)) / np.sqrt(0.5)
    for number in range(BINS):
        inside = np.minimum((radius * BINS).astype(int), BINS - 1) == number
        if inside.any():
            expected = np.log(power[..., inside].mean(-1) + 1e-8)
        np.testing.assert_allclose(found[..., number], expected, rtol=1e-3, atol=1e-3)


def test_white_noise_has_a_power_of_one_with_land_or_without() -> None:
    torch.manual_seed(0)
    field = torch.randn(4, 1, 64, 96)
    for mask in (water(field), torch.rand(field.shape) < 0.5):
        found = log_spectrum(field, mask).mean()
        assert found.item() == pytest.approx(0, abs=0.1)


def test_power_that_is_wanted_is_not_too_much() -> None:
    field = torch.randn(1, 1, 16, 16)
    own = log_spectrum(field, water(field))[0]
    assert too_much_power(field, water(field), own).abs().max() < 1e-5
    # Far from it the slope of Huber's function is 1: all of the field is too much, or lacks.
    for away in (5.0, -5.0):
        found = too_much_power(field, water(field), own - away)
        torch.testing.assert_close(found, np.sign(away) * field)
    near = too_much_power(field, water(field), own - 0.25)
    torch.testing.assert_close(near, 0.25 * field)


def test_a_true_smooth_field_has_little_and_noise_on_it_much() -> None:
    y, x = grid(48, 64)
    true = torch.sin(2 * torch.pi * x / 64) + torch.cos(2 * torch.pi * (y + x) / 48)
    mask = water(true)
    mask[..., 10:20, 5:25] = False
    known = log_spectrum(true, mask)[0]
    small = spread(fluid_residual(true, true, mask, known), mask)
    assert small < 0.05 * spread(true, mask)
    noisy = true + 0.3 * torch.randn(true.shape)
    assert spread(fluid_residual(noisy, true, mask, known), mask) > 20 * small


def test_it_points_to_where_the_values_should_go() -> None:
    y, x = grid(48, 64)
    true = torch.sin(2 * torch.pi * x / 64) + torch.cos(2 * torch.pi * y / 48)
    torch.manual_seed(0)
    noise = 0.3 * torch.randn(true.shape)
    found = fluid_residual(true + noise, true, water(true), log_spectrum(true, water(true))[0])
    assert (found * noise).sum() < -0.7 * (found.norm() * noise.norm())


def test_land_has_no_influence() -> None:
    field, anchor = torch.randn(2, 2, 1, 8, 12).unbind()
    mask = torch.rand(field.shape) < 0.6
    known = torch.zeros(1, BINS)
    expected = fluid_residual(field, anchor, mask, known)
    for rubbish in (0.0, 1e6):
        others = (torch.where(mask, part, rubbish) for part in (field, anchor))
        assert torch.equal(fluid_residual(*others, mask, known), expected)
    assert not expected[~mask].any()


def test_block_means_count_points_with_a_value() -> None:
    field = torch.arange(16.0).reshape(1, 1, 4, 4)
    mask = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    mask[..., :2, :2] = False
    mask[..., 0, 2] = False
    found = block_means(torch.where(mask, field, torch.nan), mask, 2)
    assert found.flatten().tolist() == pytest.approx([0.0, (3 + 6 + 7) / 3, 10.5, 12.5])
