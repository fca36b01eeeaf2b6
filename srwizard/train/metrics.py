"""Metrics in physical units, over the points that have a value, beside bicubic interpolation.

Sums are kept, not means, so that ranks and batches can be added up: every sample counts once,
whatever the batch size and the number of processes.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_K = (0.01, 0.03)
SUMS = ("squared", "absolute", "points", "ssim")


def masked_sums(sr: Tensor, hr: Tensor, mask: Tensor, low: Tensor, span: Tensor) -> Tensor:
    """Return the sums that the metrics are made of.

    Args:
        sr, hr: `[B, C, H, W]` in physical units; what stands under the mask does not matter.
        mask: `[B, C, H, W]`, True where HR has a value.
        low, span: `[C]`, smallest value and width of the range of the training split.

    Returns:
        `[C, 4]`, float64, in the order of `SUMS`.
    """
    error = torch.where(mask, sr - hr, 0.0).double()
    similarity = masked_ssim(sr, hr, mask, low, span).double()
    parts = (
        error.square(), error.abs(), mask.double(), torch.where(mask, similarity, 0.0),
    )  # fmt: skip
    return torch.stack([part.sum(dim=(0, 2, 3)) for part in parts], dim=1)


def masked_ssim(sr: Tensor, hr: Tensor, mask: Tensor, low: Tensor, span: Tensor) -> Tensor:
    """Return the SSIM map of the fields scaled to 0 ... 1 over the training range.

    Source: Wang et al., IEEE Trans. Image Process. 13, 2004, eq. 13, with the Gaussian window
    of 11 x 11, sigma 1.5; local moments are taken over the points with a value only (normalized
    convolution), so that land does not enter.

    Args:
        sr, hr, mask: `[B, C, H, W]`.
        low, span: `[C]`.

    Returns:
        `[B, C, H, W]`; what stands under the mask is meaningless.
    """
    offset, width = low[:, None, None], span.clamp(min=1e-12)[:, None, None]
    x = torch.where(mask, (sr - offset) / width, 0.0)
    y = torch.where(mask, (hr - offset) / width, 0.0)
    total = _blur(mask.to(sr.dtype)).clamp(min=1e-6)
    mean_x, mean_y = _blur(x) / total, _blur(y) / total
    var_x = (_blur(x * x) / total - mean_x**2).clamp(min=0)
    var_y = (_blur(y * y) / total - mean_y**2).clamp(min=0)
    cov = _blur(x * y) / total - mean_x * mean_y
    c1, c2 = (k**2 for k in SSIM_K)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance * (2 * cov + c2) / (var_x + var_y + c2)


def _blur(field: Tensor) -> Tensor:
    """Blur `[B, C, H, W]` with the SSIM window, zeros outside."""
    places = torch.arange(SSIM_WINDOW, device=field.device, dtype=field.dtype) - SSIM_WINDOW // 2
    window = torch.exp(-(places**2) / (2 * SSIM_SIGMA**2))
    window = window / window.sum()
    batch, channels, height, width = field.shape
    flat = field.reshape(batch * channels, 1, height, width)
    half = SSIM_WINDOW // 2
    flat = F.conv2d(flat, window[None, None, :, None], padding=(half, 0))
    flat = F.conv2d(flat, window[None, None, None, :], padding=(0, half))
    return flat.reshape(field.shape)


@dataclass(frozen=True)
class Scores:
    """The metrics of one variable; PSNR in dB, RMSE and MAE in the variable's unit."""

    rmse: float
    mae: float
    psnr: float
    ssim: float

    @classmethod
    def from_sums(cls, sums: Tensor, span: float) -> "Scores":
        """Make the metrics of one variable from its `[4]` sums."""
        squared, absolute, points, similarity = (float(value) for value in sums)
        if points == 0:
            return cls(math.nan, math.nan, math.nan, math.nan)
        rmse = math.sqrt(squared / points)
        psnr = 20 * math.log10(span / rmse) if rmse > 0 and span > 0 else math.inf
        return cls(rmse, absolute / points, psnr, similarity / points)


def scores_table(
    variables: list[str], model: Tensor, bicubic: Tensor, span: Tensor
) -> dict[str, dict[str, object]]:
    """Return metrics of the model and of bicubic interpolation for each variable, with the skill.

    Args:
        variables: names of the channels.
        model, bicubic: `[C, 4]` sums.
        span: `[C]`, width of the range of the training split.

    Returns:
        `{variable: {"model": {...}, "bicubic": {...}, "skill": 1 - RMSE / RMSE of bicubic}}`.
    """
    table: dict[str, dict[str, object]] = {}
    for channel, name in enumerate(variables):
        width = float(span[channel])
        ours = Scores.from_sums(model[channel], width)
        theirs = Scores.from_sums(bicubic[channel], width)
        skill = 1 - ours.rmse / theirs.rmse if theirs.rmse > 0 else math.nan
        table[name] = {"model": vars(ours), "bicubic": vars(theirs), "skill": skill}
    return table
