"""Enlarging a field by an integer ratio: bicubic interpolation and pixel shuffle."""

from torch import Tensor, nn
from torch.nn import functional


def prime_factors(scale: int) -> list[int]:
    """Return the prime factors of `scale` in ascending order: 6 -> [2, 3]."""
    factors = []
    divisor = 2
    while scale > 1:
        if scale % divisor:
            divisor += 1
        else:
            factors.append(divisor)
            scale //= divisor
    return factors


def bicubic(x: Tensor, scale: int) -> Tensor:
    """Interpolate [B, C, h, w] to [B, C, h * scale, w * scale] in float32.

    Cells, not their corners, are aligned: a coarse cell covers `scale` x `scale` fine ones.
    """
    return functional.interpolate(
        x.float(), scale_factor=scale, mode="bicubic", align_corners=False
    )


def pixel_shuffle_stages(channels: int, scale: int) -> nn.Sequential:
    """Return [B, C, h, w] -> [B, C, h * scale, w * scale], one stage per prime factor.

    Sub-pixel convolution of Shi et al. (2016), arXiv:1609.05158; the convolutions lie at 0, 2, 4
    as in EDSR and SwinIR, whose up-samplers know powers of 2, and 3.
    """
    stages: list[nn.Module] = []
    for factor in prime_factors(scale):
        stages += [
            nn.Conv2d(channels, channels * factor**2, 3, padding=1),
            nn.PixelShuffle(factor),
        ]
    return nn.Sequential(*stages)
