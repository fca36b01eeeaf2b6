"""Halving and doubling the resolution with windowed sinc filters, free of aliasing."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

HALF_TAPS = 6
"""Taps of the filter on either side, in fine cells: three lobes of the sinc."""


class SincResampling(nn.Module):
    """Resolution by two, down and up; cells, not their corners, are aligned.

    What is constant stays so, up to the edges, where the field is taken to go on as it is there.
    """

    taps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("taps", torch.tensor(sinc_taps()), persistent=False)

    def halve(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, h, w], half as many points, rounded up."""
        channels, (height, width) = x.shape[1], x.shape[-2:]
        before = HALF_TAPS - 1
        below, right = before + height % 2, before + width % 2
        x = functional.pad(x, (before, right, before, below), "replicate")
        rows, columns = self._kernels(x)
        y = functional.conv2d(x, rows, stride=(2, 1), groups=channels)
        return functional.conv2d(y, columns, stride=(1, 2), groups=channels)

    def enlarge(self, x: Tensor, height: int, width: int) -> Tensor:
        """[B, C, h, w] -> [B, C, height, width], twice as many points, or one less than that."""
        channels = x.shape[1]
        margin = HALF_TAPS // 2
        x = functional.pad(x, (margin,) * 4, "replicate")
        rows, columns = self._kernels(x)
        y = functional.conv_transpose2d(x, 2 * rows, stride=(2, 1), groups=channels)
        y = functional.conv_transpose2d(y, 2 * columns, stride=(1, 2), groups=channels)
        start = 2 * margin + HALF_TAPS - 1
        return y[..., start : start + height, start : start + width]

    def _kernels(self, x: Tensor) -> tuple[Tensor, Tensor]:
        taps = self.taps.to(x.dtype).expand(x.shape[1], 1, -1)
        return taps[..., None], taps[:, :, None]


def sinc_taps() -> list[float]:
    """Return the filter that keeps what a grid half as fine can hold, under a Hann window.

    It has an even number of taps, symmetric about the edge between two cells: there lies the
    centre of the coarse cell that is made of both. The taps sum to 1.
    """
    places = [n + 0.5 for n in range(-HALF_TAPS, HALF_TAPS)]
    taps = [
        math.sin(math.pi * t / 2) / (math.pi * t) * math.cos(math.pi * t / (2 * HALF_TAPS)) ** 2
        for t in places
    ]
    return [tap / sum(taps) for tap in taps]
