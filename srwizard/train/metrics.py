"""Metrics in physical units, over the points that have a value, beside bicubic interpolation.

Sums are kept, not means, so that ranks and batches can be added up: every sample counts once,
whatever the batch size and the number of processes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from srwizard.models.constants import kept
from srwizard.models.tf32 import tf32

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
SSIM_K = (0.01, 0.03)
SMALLEST_RATIO = 1e-12
"""Of power: -120 dB."""
ROUNDING = 1e-12
"""What sums of some hundred thousand squares are exact to."""
MASK, SSIM, ERROR, ABSOLUTE, SR, HR = range(6)
PRODUCTS = {
    "squared": (ERROR, ERROR), "absolute": (ABSOLUTE, MASK), "error": (ERROR, MASK),
    "points": (MASK, MASK), "ssim": (SSIM, MASK), "sr": (SR, MASK), "hr": (HR, MASK),
    "sr_sr": (SR, SR), "hr_hr": (HR, HR), "sr_hr": (SR, HR),
}  # fmt: skip
"""Of which two maps each sum is the product; the mask is 1 where there is a value."""
SUMS = tuple(PRODUCTS)
"""What is summed over points; `sr` and `hr` from the low end of the training range on. Behind
these stand the radial power spectra of SR and of HR."""


def sums_length(shape: tuple[int, int]) -> int:
    """Return how many sums there are for fields of `shape` `[H, W]`."""
    return len(SUMS) + 2 * wavenumbers(shape)


@tf32(allowed=False)
def sample_sums(
    sr: Tensor, hr: Tensor, mask: Tensor, low: Tensor, span: Tensor, *, truth: bool = True
) -> Tensor:
    """Return the sums that the metrics are made of, of each sample.

    Args:
        sr, hr: `[B, C, H, W]` in physical units; what stands under the mask does not matter.
        mask: `[B, C, H, W]`, True where HR has a value.
        low, span: `[C]`, smallest value and width of the range of the training split.
        truth: False leaves HR's spectrum at 0, for `with_truth_of` to fill in.

    Returns:
        `[B, C, sums_length]`, float64: those of `SUMS`, then the spectra.
    """
    # One sample at a time: these maps, and in float64, would else need more than the network.
    samples = [
        _sample_sums(sr[i : i + 1], hr[i : i + 1], mask[i : i + 1], low, span, truth=truth)
        for i in range(len(sr))
    ]
    return torch.stack(samples)


def with_truth_of(sums: Tensor, known: Tensor) -> Tensor:
    """Return sums `[C, S]` with HR's spectrum from those of another field, which were kept."""
    ours = sums.shape[1] - (sums.shape[1] - len(SUMS)) // 2
    return torch.cat([sums[:, :ours], known[:, ours:]], dim=1)


def _sample_sums(
    sr: Tensor, hr: Tensor, mask: Tensor, low: Tensor, span: Tensor, *, truth: bool
) -> Tensor:
    offset = low[:, None, None]
    x, y = (torch.where(mask, part - offset, 0.0) for part in (sr, hr))
    ours = power_spectrum(x, mask)
    spectra = torch.cat([ours, power_spectrum(y, mask) if truth else ours.new_zeros(ours.shape)], 1)
    similarity = torch.where(mask, masked_ssim(sr, hr, mask, low, span), 0.0)
    error = torch.where(mask, sr - hr, 0.0)
    maps = [mask, similarity, error, error.abs(), x, y]
    rows = torch.stack([part[0].flatten(1).double() for part in maps], dim=1)
    totals = [
        (rows[:, one] if other == MASK else rows[:, one] * rows[:, other]).sum(dim=1)
        for one, other in PRODUCTS.values()
    ]
    return torch.cat([torch.stack(totals, dim=1), spectra], dim=1)


def wavenumbers(shape: tuple[int, int]) -> int:
    """Return how many radial wavenumbers a field of `shape` `[H, W]` resolves in both directions.

    Wavenumber k has k waves along the shorter side.
    """
    return min(shape) // 2


def power_spectrum(field: Tensor, mask: Tensor) -> Tensor:
    """Return the radial power spectrum, summed over the samples.

    The mean over the points with a value is taken off and the rest is set to 0, a Hann window is
    laid over the field, and the squared amplitudes are added up in rings of equal wavenumber.
    Spectra of SR and HR are made alike, so that their ratio does not feel land and borders.

    Args:
        field: `[B, C, H, W]`, 0 under the mask.
        mask: `[B, C, H, W]`, True where there is a value.

    Returns:
        `[C, K]`, float64, for the wavenumbers 1 ... K of `wavenumbers`.
    """
    height, width = field.shape[-2:]
    points = mask.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = field.sum(dim=(2, 3), keepdim=True, dtype=torch.float64) / points
    anomaly = torch.where(mask, field - mean.to(field.dtype), 0.0)
    down, right = (_hann_window(size, field.dtype, field.device) for size in (height, width))
    waves = torch.fft.rfft2(anomaly * down[:, None] * right)
    power = waves.abs().square().double()
    # Each wave but those of x wavenumber 0 and W / 2 stands for its mirror image too.
    twice = torch.full((waves.shape[-1],), 2.0, dtype=torch.float64, device=field.device)
    twice[0] = 1.0
    if width % 2 == 0:
        twice[-1] = 1.0
    shorter = min(height, width)
    ring = _rings(height, width, field.device)
    most = wavenumbers((height, width))
    rings = torch.zeros(field.shape[1], int(shorter) + 1, dtype=torch.float64, device=field.device)
    rings.index_add_(1, ring, (power * twice).sum(dim=0).flatten(1))
    return rings[:, 1 : most + 1]


@kept
def _hann_window(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.hann_window(size, periodic=False, dtype=dtype, device=device)


@kept
def _rings(height: int, width: int, device: torch.device) -> Tensor:
    """Return the wavenumber of each coefficient of a half spectrum, `[H * (W // 2 + 1)]`."""
    shorter = min(height, width)
    y = torch.fft.fftfreq(height, 1 / shorter, device=device)
    x = torch.fft.rfftfreq(width, 1 / shorter, device=device)
    rings: Tensor = (y[:, None].square() + x.square()).sqrt().round().long().flatten()
    return rings


@tf32(allowed=False)
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
    # All at once: a kernel for one channel computes as if there were eight or sixteen.
    blurred = _blur(torch.cat([mask.to(sr.dtype), x, y, x * x, y * y, x * y], dim=1))
    points, *sums = blurred.chunk(6, dim=1)
    total = points.clamp(min=1e-6)
    mean_x, mean_y, square_x, square_y, product = (part / total for part in sums)
    var_x = (square_x - mean_x**2).clamp(min=0)
    var_y = (square_y - mean_y**2).clamp(min=0)
    cov = product - mean_x * mean_y
    c1, c2 = (k**2 for k in SSIM_K)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance * (2 * cov + c2) / (var_x + var_y + c2)


def _blur(field: Tensor) -> Tensor:
    """Blur `[B, C, H, W]` with the SSIM window, zeros outside."""
    window = _ssim_window(field.dtype, field.device)
    channels, half = field.shape[1], SSIM_WINDOW // 2
    windows = window.expand(channels, 1, 1, SSIM_WINDOW)
    field = F.conv2d(field, windows.mT, padding=(half, 0), groups=channels)
    return F.conv2d(field, windows, padding=(0, half), groups=channels)


@kept
def _ssim_window(dtype: torch.dtype, device: torch.device) -> Tensor:
    places = torch.arange(SSIM_WINDOW, device=device, dtype=dtype) - SSIM_WINDOW // 2
    window = torch.exp(-(places**2) / (2 * SSIM_SIGMA**2))
    return window / window.sum()


@dataclass(frozen=True)
class Scores:
    """The metrics of one variable.

    RMSE, MAE and bias (SR - HR) are in the variable's unit, PSNR in dB over the training range;
    the correlation is Pearson's over all points and steps; the spectrum error, in dB, is the root
    mean square over the wavenumbers of the ratio of the spectra of SR and HR.
    """

    rmse: float
    mae: float
    bias: float
    psnr: float
    ssim: float
    correlation: float
    spectrum_error: float

    @classmethod
    def from_sums(cls, sums: Tensor, span: float) -> "Scores":
        """Make the metrics of one variable from its sums, as `sample_sums` gives them."""
        found = {name: float(value) for name, value in scores_of(sums[: len(SUMS)], span).items()}
        return cls(**found, spectrum_error=float(spectrum_error(*sums[len(SUMS) :].chunk(2))))


def scores_of(sums: Tensor, span: float) -> dict[str, Tensor]:
    """Return the metrics that need no spectra, NaN where there is no point.

    Args:
        sums: `[..., S]`, in the order of `SUMS`.
        span: width of the range of the training split.

    Returns:
        `[...]` of each metric, see `Scores`.
    """
    it = dict(zip(SUMS, sums.double().unbind(-1), strict=True))
    points = torch.where(it["points"] > 0, it["points"], torch.nan)
    rmse = (it["squared"] / points).sqrt()
    psnr = 20 * (span / rmse).log10() if span > 0 else torch.full_like(rmse, torch.inf)
    covariance = points * it["sr_hr"] - it["sr"] * it["hr"]
    one, other = (points * it[f"{a}_{a}"] - it[a] ** 2 for a in ("sr", "hr"))
    # Below that share of the squares, a variance of points is what rounding has left of none.
    known = (one > ROUNDING * points * it["sr_sr"]) & (other > ROUNDING * points * it["hr_hr"])
    return {
        "rmse": rmse,
        "mae": it["absolute"] / points,
        "bias": it["error"] / points,
        "psnr": torch.where(points > 0, psnr, torch.nan),
        "ssim": it["ssim"] / points if span > 0 else torch.full_like(rmse, torch.nan),
        "correlation": torch.where(known, covariance / (one * other).sqrt(), torch.nan),
    }


def spectrum_error(sr: Tensor, hr: Tensor) -> Tensor:
    """Return the spectrum error `[...]` from spectra `[..., K]`, NaN where HR has no power."""
    there = hr > 0
    ratio = torch.where(there, sr / hr, 1.0).clamp(min=SMALLEST_RATIO)
    squared = (10 * ratio.log10()).square().sum(dim=-1)
    return (squared / there.sum(dim=-1)).sqrt()


def scores_table(
    variables: list[str],
    model: Tensor,
    simple: Mapping[str, Tensor],
    best: Mapping[str, str],
    span: Tensor,
) -> dict[str, dict[str, object]]:
    """Return metrics of the model and of the simple methods for each variable, with the skill.

    Args:
        variables: names of the channels.
        model: `[C, S]`, from `sample_sums`, added up.
        simple: the same of each simple method; "best" that of variables whose best one is none of
            the others.
        best: the name of the best simple method of each variable, by the validation split.
        span: `[C]`, width of the range of the training split.

    Returns:
        `{variable: {"model": {...}, "bicubic": {...}, ..., "best": name of the best simple method,
        "skill": 1 - RMSE / RMSE of the best, "skill_bicubic": the same against bicubic}}`.
    """
    table: dict[str, dict[str, object]] = {}
    for channel, name in enumerate(variables):
        width = float(span[channel])
        found = {
            method: Scores.from_sums(sums[channel], width)
            for method, sums in simple.items()
            if method != "best"
        }
        if best[name] not in found:
            found[best[name]] = Scores.from_sums(simple["best"][channel], width)
        ours = Scores.from_sums(model[channel], width)
        table[name] = {
            "model": vars(ours),
            **{method: vars(scores) for method, scores in found.items()},
            "best": best[name],
            "skill": _skill(ours, found[best[name]]),
            "skill_bicubic": _skill(ours, found["bicubic"]),
        }
    return table


def _skill(ours: Scores, theirs: Scores) -> float:
    return 1 - ours.rmse / theirs.rmse if theirs.rmse > 0 else math.nan
