"""A Fourier layer and the projection by hand against what autograd makes of the plain forms."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.models import pieces
from srwizard.models.fno2d import FourierLayer, projected

GRID = (136, 160)
"""Large enough for matrix products, and no multiple of the pieces."""


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pieces.PIECE_BYTES, "cpu", 50 * 4 * 6 * GRID[1])


def plain_layer(layer: FourierLayer, x: Tensor) -> Tensor:
    """The whole half spectrum, of which corners are mapped."""
    x = functional.gelu(x) if layer.activated else x
    spectrum = torch.fft.rfft2(x.float())
    mapped = torch.zeros_like(spectrum)
    for rows, weights in (
        (slice(0, 5), layer.spectral.weights1),
        (slice(-5, None), layer.spectral.weights2),
    ):
        mapped[:, :, rows, :5] = torch.einsum(
            "bixy,ioxy->boxy", spectrum[:, :, rows, :5], torch.view_as_complex(weights)
        )
    return torch.fft.irfft2(mapped, s=x.shape[-2:]).to(x.dtype) + layer.pointwise(x)


def results(
    function: Callable[[Tensor], Tensor], x: Tensor, module: nn.Module, *, use_amp: bool
) -> list[Tensor]:
    """Return output and all gradients, of the weighted sum of the output."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=use_amp):
        y = function(x)
    weights = torch.linspace(-1, 1, y.numel()).view(y.shape)
    found = torch.autograd.grad((y.float() * weights).sum(), [x, *module.parameters()])
    return [y.detach(), *found]


def assert_alike(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    for ours, plain in zip(found, expected, strict=True):
        assert (ours - plain).abs().max() <= tolerance * plain.abs().max()


@pytest.mark.parametrize("activated", [False, True])
@pytest.mark.parametrize("use_amp", [False, True])
@pytest.mark.parametrize("last", [False, True], ids=["plain", "channels last"])
def test_a_layer_and_its_gradients(activated: bool, use_amp: bool, last: bool) -> None:
    torch.manual_seed(1)
    layer = FourierLayer(6, 5, activated=activated)
    x = torch.randn(2, 6, *GRID, dtype=torch.bfloat16 if use_amp else torch.float32)
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    expected = results(lambda x: plain_layer(layer, x), x, layer, use_amp=use_amp)
    found = results(layer, x, layer, use_amp=use_amp)
    assert [part.dtype for part in found] == [part.dtype for part in expected]
    assert_alike(found, expected, 0.03 if use_amp else 1e-4)


@pytest.mark.parametrize("use_amp", [False, True])
def test_the_projection_and_its_gradients(use_amp: bool) -> None:
    torch.manual_seed(1)
    ends = nn.ModuleList([nn.Conv2d(6, 24, 1), nn.Conv2d(24, 2, 1)])
    widen, project = ends
    x = torch.randn(2, 6, *GRID)
    expected = results(lambda x: project(functional.gelu(widen(x))), x, ends, use_amp=use_amp)
    found = results(lambda x: projected(x, widen, project), x, ends, use_amp=use_amp)
    assert [part.dtype for part in found] == [part.dtype for part in expected]
    assert_alike(found, expected, 0.03 if use_amp else 1e-4)


@pytest.mark.parametrize("shape", [(1, 3, 7, 5), (3, 2, 40, 4000), (2, 1, 1, 10)])
def test_pieces_are_every_row_once(shape: tuple[int, ...]) -> None:
    x = torch.zeros(shape)
    for sample, rows in pieces.grid_rows(x, 16):
        x[sample, :, rows] += 1
    assert (x == 1).all()
