"""The U-Net sees far, and passes on what is near."""

import torch

from srwizard.models.unet2d import UNet2d


def reach(levels: int) -> int:
    """Return how many low-resolution points to the right of a change the output changes."""
    torch.manual_seed(0)
    net = UNet2d(in_channels=1, out_channels=1, scale=2, features=4, levels=levels)
    field = torch.randn(1, 1, 64, 64)
    changed = field.clone()
    changed[..., 32, 32] += 10
    with torch.no_grad():
        apart = (net(field) - net(changed)).abs().amax(dim=(0, 1, 2))
    return int(apart.nonzero().max()) // 2 - 32


def test_every_level_sees_farther() -> None:
    near, middle, far = (reach(levels) for levels in (1, 2, 3))
    assert near < middle < far
    assert far >= 16
