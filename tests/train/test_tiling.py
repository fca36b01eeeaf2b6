"""Tiles, blended, give what the whole field gives."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from srwizard.train.tiling import MARGIN, OVERLAP, super_resolve_tiled


class SmallNetwork(nn.Module):
    """Bicubic interpolation plus convolutions that see `radius` LR points to each side."""

    def __init__(self, scale: int, radius: int) -> None:
        super().__init__()
        self.scale = scale
        self.layers = nn.Sequential(*(nn.Conv2d(2, 2, 3, padding=1) for _ in range(radius)))

    def forward(self, lr: Tensor) -> Tensor:
        deep = self.layers(lr) if len(self.layers) else lr
        return functional.interpolate(lr, scale_factor=self.scale, mode="bicubic") + (
            functional.interpolate(deep, scale_factor=self.scale, mode="nearest")
        )


@pytest.mark.parametrize("radius", [0, 1, MARGIN])
@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize(
    ("size", "tile"), [((37, 53), 16), ((37, 53), 5), ((16, 16), 40), ((9, 50), 8), ((33, 1), 7)]
)
def test_equal_to_the_whole(radius: int, scale: int, size: tuple[int, int], tile: int) -> None:
    torch.manual_seed(0)
    network = SmallNetwork(scale, radius)
    lr = torch.randn(2, 2, *size)
    with torch.no_grad():
        whole = network(lr)
        tiled = super_resolve_tiled(network, lr, scale, tile)
    assert tiled.shape == (2, 2, size[0] * scale, size[1] * scale)
    torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=1e-5)


def test_the_network_never_sees_more_than_a_tile_and_its_overlap() -> None:
    seen: list[tuple[int, int]] = []

    def network(lr: Tensor) -> Tensor:
        seen.append((lr.shape[-2], lr.shape[-1]))
        return functional.interpolate(lr, scale_factor=2)

    super_resolve_tiled(network, torch.randn(1, 1, 100, 70), 2, 20)
    assert len(seen) == 5 * 4
    assert max(max(size) for size in seen) == 20 + 2 * OVERLAP


def test_no_seam_where_tiles_disagree() -> None:
    """Two tiles of different constant value meet in a ramp, not in a step."""
    values = iter([0.0, 1.0])

    def network(lr: Tensor) -> Tensor:
        return torch.full((1, 1, lr.shape[-2] * 2, lr.shape[-1] * 2), next(values))

    row = super_resolve_tiled(network, torch.zeros(1, 1, 4, 40), 2, 20)[0, 0, 0]
    assert row[0] == 0
    assert row[-1] == 1
    assert float(row.diff().abs().max()) < 0.1
