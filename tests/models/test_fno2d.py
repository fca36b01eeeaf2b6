"""The Fourier operator acts on functions, not on grids."""

import math

import pytest
import torch
from torch import Tensor

from srwizard.models import fourier
from srwizard.models.coordinates import coordinates
from srwizard.models.fno2d import SpectralConv2d


def wave(height: int, width: int) -> Tensor:
    """Sample one band-limited function of the unit square: [1, 2, height, width]."""
    y = 2 * math.pi * torch.arange(height)[:, None] / height
    x = 2 * math.pi * torch.arange(width) / width
    first = torch.sin(y + 2 * x) + torch.cos(3 * y) + 0.5
    second = torch.cos(2 * y - x) * torch.sin(x)
    return torch.stack([first, second])[None]


@pytest.mark.parametrize(("rows", "columns"), [(3, 2), (4, 2), (2, 3)])
def test_same_function_on_two_grids_gives_the_same_output(rows: int, columns: int) -> None:
    layer = SpectralConv2d(2, 3, 4, 4)
    with torch.no_grad():
        coarse = layer(wave(12, 10))
        fine = layer(wave(12 * rows, 10 * columns))
    torch.testing.assert_close(fine[..., ::rows, ::columns], coarse, rtol=1e-4, atol=1e-5)


def test_grid_with_fewer_modes_uses_each_with_its_own_weights() -> None:
    layer = SpectralConv2d(2, 2, 8, 8)
    with torch.no_grad():
        coarse = layer(wave(9, 9))  # four modes of either sign, of the layer's eight
        fine = layer(wave(36, 36))
    torch.testing.assert_close(fine[..., ::4, ::4], coarse, rtol=1e-4, atol=1e-5)


def test_agrees_with_the_full_transform() -> None:
    layer = SpectralConv2d(2, 3, 3, 4)
    x = torch.randn(2, 2, 11, 14)
    with torch.no_grad():
        spectrum = torch.fft.rfft2(x)
        mixed = torch.zeros(2, 3, 11, 8, dtype=torch.complex64)
        for rows, weights in ((slice(0, 3), layer.weights1), (slice(-3, None), layer.weights2)):
            kept = spectrum[:, :, rows, :4]
            mixed[:, :, rows, :4] = torch.einsum(
                "bixy,ioxy->boxy", kept, torch.view_as_complex(weights)
            )
        torch.testing.assert_close(layer(x), torch.fft.irfft2(mixed, s=(11, 14)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_transform_stays_in_float32_under_autocast(dtype: torch.dtype) -> None:
    layer = SpectralConv2d(2, 2, 3, 3)
    x = torch.randn(1, 2, 11, 7)
    with torch.autocast("cpu", dtype):
        output = layer(x)
        half = layer(x.to(dtype))
    assert torch.equal(output, layer(x))
    assert half.dtype == dtype


def test_many_samples_are_mixed_as_each_by_itself() -> None:
    modes = torch.randn(fourier.MOST_SUMMED + 2, 3, 8, 5, dtype=torch.cfloat)
    weights1, weights2 = torch.randn(2, 3, 4, 4, 5, 2)
    together = fourier.mix_modes(modes, weights1, weights2)
    for sample, mixed in zip(modes, together, strict=True):
        alone = fourier.mix_modes(sample[None], weights1, weights2)[0]
        assert torch.allclose(alone, mixed, atol=1e-5)


def test_parameters_are_real() -> None:
    assert not any(p.is_complex() for p in SpectralConv2d(1, 1, 2, 2).parameters())


def test_coordinates_are_cell_centres() -> None:
    y, x = coordinates(torch.zeros(1, 1, 2, 4))[0]
    assert y[:, 0].tolist() == [0.25, 0.75]
    assert x[0].tolist() == [0.125, 0.375, 0.625, 0.875]


@pytest.mark.parametrize("size", [(12, 16), (11, 15), (16, 9)])
def test_products_agree_with_fast_transforms(size: tuple[int, int]) -> None:
    height, width = size
    x = torch.randn(2, 3, *size, requires_grad=True)
    for rows, columns in ((1, 1), (height // 2, width // 2 + 1), (3, 4)):
        spectrum = fourier.spectrum_by_fft(x, rows, columns)
        torch.testing.assert_close(fourier.spectrum_by_products(x, rows, columns), spectrum)
        field = fourier.field_by_fft(spectrum, *size)
        products = fourier.field_by_products(spectrum, *size)
        torch.testing.assert_close(products, field)
        weights = torch.randn(2, 3, *size)
        expected, found = (
            torch.autograd.grad((y * weights).sum(), x, retain_graph=True)[0]
            for y in (field, products)
        )
        torch.testing.assert_close(found, expected)


def test_the_way_follows_the_size_and_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fourier.products_win(680, 1440, 24)
    assert not fourier.products_win(680, 1440, 200)
    assert not fourier.products_win(32, 64, 4)
    layer = SpectralConv2d(2, 3, 5, 5)
    x = torch.randn(1, 2, 130, 140)
    with torch.no_grad():
        chosen = layer(x)
        monkeypatch.setattr("srwizard.models.fno2d.products_win", lambda *_size: False)
        torch.testing.assert_close(layer(x), chosen)
