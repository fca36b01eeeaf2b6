"""SRNO and HiNOTE: a function of the place, asked for on grids of any size."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from srwizard.models import build
from srwizard.models.grid_sampling import axis_neighbours, sample_each
from srwizard.models.sinc import SincResampling, sinc_taps
from srwizard.models.srno import Lifting
from tests.small_networks import SMALL


def network(name: str) -> Any:
    torch.manual_seed(0)
    net = build(name, in_channels=1, out_channels=1, scale=2, params=SMALL[name], global_skip=False)
    return net.eval()


def smooth_field() -> Tensor:
    y, x = (torch.linspace(0, 1, size) for size in (12, 16))
    return (torch.sin(6 * y)[:, None] + torch.cos(5 * x))[None, None]


@pytest.mark.parametrize("name", ["SRNO", "HiNOTE"])
@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.7, math.pi, 8.0])
def test_any_ratio_of_the_same_weights(name: str, ratio: float) -> None:
    lr = smooth_field()
    height, width = int(12 * ratio), int(16 * ratio)
    with torch.no_grad():
        sr = network(name)(lr, (height, width))
    assert sr.shape == (1, 1, height, width)
    assert sr.isfinite().all()


@pytest.mark.parametrize("name", ["SRNO", "HiNOTE"])
def test_no_size_means_the_scale(name: str) -> None:
    lr = smooth_field()
    with torch.no_grad():
        assert torch.equal(network(name)(lr), network(name)(lr, (24, 32)))


def test_srno_is_one_function_on_every_grid() -> None:
    """The centre of every third cell on a grid three times as fine is the coarse cell's."""
    net = network("SRNO")
    with torch.no_grad():
        net.lift.cell.weight.zero_()  # the cell's size is told, and rightly changes the answer
        coarse, fine = (net(smooth_field(), size) for size in ((18, 24), (54, 72)))
    apart = (fine[..., 1::3, 1::3] - coarse).abs().max()
    assert apart < 0.02 * coarse.std()


def test_lifting_is_the_papers_linear_map_of_all_parts() -> None:
    """Four weighted neighbours, their offsets and the cell size joined, then one linear map."""
    torch.manual_seed(0)
    lift = Lifting(5, 7)
    encoded, size = torch.randn(2, 5, 6, 8), (9, 20)
    rows, columns = (axis_neighbours(a, b, encoded.device) for a, b in ((6, 9), (8, 20)))
    parts = []
    for down in (0, 1):
        for right in (0, 1):
            there = encoded[:, :, rows.indices[down]][..., columns.indices[right]]
            parts.append(there * rows.weights[down][:, None] * columns.weights[right])
    parts += [
        offsets.permute(2, 0, 1).expand(2, 2, 9, 20)
        for offsets in (rows.offsets[:, None].expand(9, 20, 2), columns.offsets.expand(9, 20, 2))
    ]
    parts.append(torch.tensor([6 / 9, 8 / 20])[:, None, None].expand(2, 2, 9, 20))
    weight = torch.cat(
        [
            *lift.features.weight.chunk(4),
            lift.rows.weight,
            lift.columns.weight,
            lift.cell.weight,
        ],
        dim=1,
    )
    with torch.no_grad():
        expected = torch.einsum("oc,bchw->bohw", weight, torch.cat(parts, dim=1))
        expected += lift.cell.bias[:, None, None]
        torch.testing.assert_close(lift(encoded, size), expected.flatten(2).transpose(1, 2))


@pytest.mark.parametrize("size", [(12, 20), (9, 23), (6, 10), (3, 40)])
def test_sampling_is_bilinear(size: tuple[int, int]) -> None:
    field = torch.randn(1, 3, 6, 10)
    rows, columns = (
        axis_neighbours(a, b, field.device) for a, b in zip((6, 10), size, strict=True)
    )
    sampled = sample_each((field.permute(0, 2, 3, 1),) * 4, rows, columns).permute(0, 3, 1, 2)
    expected = functional.interpolate(field, size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(sampled, expected)


def wave(size: int, frequency: float) -> Tensor:
    """A wave along x on [0, 1], at the centres of its cells: [1, 1, 8, size]."""
    x = (torch.arange(size) + 0.5) / size
    return torch.cos(2 * math.pi * frequency * x).expand(1, 1, 8, size)


def test_sinc_filters_keep_what_both_grids_hold_and_drop_the_rest() -> None:
    resampling = SincResampling()
    inner = slice(16, -16)
    halved = resampling.halve(wave(256, 20))
    assert (halved - wave(128, 20)[:, :, :4])[..., inner].abs().max() < 0.02
    doubled = resampling.enlarge(wave(128, 20), 16, 256)
    assert (doubled - wave(256, 20)[:, :, :1])[..., inner].abs().max() < 0.02
    # A grid of 128 holds 64 waves: 108 of them would come back as 20 without the filter.
    assert resampling.halve(wave(256, 108))[..., inner].abs().max() < 0.02


@pytest.mark.parametrize("size", [(8, 10), (7, 9), (1, 1), (2, 5)])
def test_sinc_filters_keep_constants_to_the_edge(size: tuple[int, int]) -> None:
    resampling = SincResampling()
    ones = torch.ones(2, 3, *size)
    halved = resampling.halve(ones)
    assert halved.shape[-2:] == (-(-size[0] // 2), -(-size[1] // 2))
    torch.testing.assert_close(halved, torch.ones_like(halved))
    torch.testing.assert_close(resampling.enlarge(halved, *size), ones)


def test_taps_are_symmetric_about_the_edge_between_two_cells() -> None:
    taps = sinc_taps()
    assert len(taps) % 2 == 0
    assert taps == pytest.approx(taps[::-1])
    assert sum(taps) == pytest.approx(1)
