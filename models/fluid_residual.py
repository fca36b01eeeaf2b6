"""How far a field is from what a fluid's is like: smooth, with sharp fronts, of a known spectrum.

Each function gives a field that points to where the values should go. Points without a value, land
and gaps, have no influence: nothing flows across their edges, which is also how the edges of the
field are treated. Fields are [B, C, H, W] in float32, masks the same in bool, True where there is
a value; what stands in a field elsewhere must be finite.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from srwizard.models.constants import kept

BINS = 32
"""Of wavenumbers, evenly from 0 to the largest there is, that along the diagonal."""
SHARE = 0.5
"""Of each of the three terms."""
LEAST_POWER = 1e-8


def fluid_residual(field: Tensor, anchor: Tensor, mask: Tensor, log_power: Tensor) -> Tensor:
    """Return half of each: less curvature, Perona-Malik diffusion, the spectrum asked for.

    Args:
        field: see above.
        anchor: the interpolated low-resolution field, which tells where fronts are.
        mask: see above.
        log_power: [C, BINS], see `log_spectrum`.
    """
    smoother = perona_malik(field, anchor, mask) - biharmonic(field, mask)
    return SHARE * (smoother - too_much_power(field, mask, log_power))


def biharmonic(field: Tensor, mask: Tensor) -> Tensor:
    """Return the Laplacian of the Laplacian, with a distance of 1 between points."""
    return _laplacian(_laplacian(field, mask), mask)


def perona_malik(field: Tensor, anchor: Tensor, mask: Tensor) -> Tensor:
    """Return div(g grad field), with g = 1 / (1 + |grad anchor|^2 / its mean square).

    Perona & Malik (1990), doi:10.1109/34.56205; diffusion stops at the fronts of
    the anchor rather than at those of the field, so that noise does not take itself for a front.
    """
    down, right = _differences(anchor, mask)
    steepness = 0.5 * sum(_sides(down.square(), right.square()), torch.zeros_like(anchor))
    points = mask.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    typical = (steepness * mask).sum(dim=(2, 3), keepdim=True) / points
    g = 1 / (1 + steepness / typical.clamp(min=torch.finfo(typical.dtype).tiny))
    down, right = _differences(field, mask)
    return _divergence(
        down * (g[..., 1:, :] + g[..., :-1, :]) / 2, right * (g[..., 1:] + g[..., :-1]) / 2
    )


def log_spectrum(field: Tensor, mask: Tensor) -> Tensor:
    """Return the logarithm of the mean power in each bin of wavenumbers, [B, C, BINS].

    Power is that of the Fourier coefficients, divided by the number of points with a value: white
    noise of variance 1 has 0. A bin without a wavenumber, of small fields, has what the one before
    it has: the first has that of the mean.
    """
    coefficients, bins = _coefficients(field, mask)
    return _log_power(coefficients, mask, bins)


def too_much_power(field: Tensor, mask: Tensor, log_power: Tensor) -> Tensor:
    """Return what the field has too much of, wave by wave; less than nothing where it lacks power.

    Each wave counts with the slope of Huber's function (1964) of how far the logarithm of the power
    in its bin is from `log_power` [C, BINS].
    """
    coefficients, bins = _coefficients(field, mask)
    slope = (_log_power(coefficients, mask, bins) - log_power).clamp(-1, 1)
    excess = torch.fft.irfft2(coefficients * slope[..., bins], s=field.shape[-2:])
    return torch.where(mask, excess, 0.0)


def block_means(field: Tensor, mask: Tensor, scale: int) -> Tensor:
    """Return the means over blocks of scale x scale points with a value; 0 where there is none."""
    values, there = (
        functional.avg_pool2d(part, scale)
        for part in (torch.where(mask, field, 0.0), mask.to(field.dtype))
    )
    return torch.where(there > 0, values / torch.where(there > 0, there, 1.0), 0.0)


def spread(field: Tensor, mask: Tensor) -> Tensor:
    """Return the root mean square of each channel, [B, C, 1, 1]."""
    points = mask.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    squares = torch.where(mask, field, 0.0).square().sum(dim=(2, 3), keepdim=True)
    return (squares / points).sqrt()


def _differences(field: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return those between neighbours down and right, 0 where either has no value."""
    down = torch.where(
        mask[..., 1:, :] & mask[..., :-1, :], field[..., 1:, :] - field[..., :-1, :], 0.0
    )
    right = torch.where(mask[..., 1:] & mask[..., :-1], field[..., 1:] - field[..., :-1], 0.0)
    return down, right


def _divergence(down: Tensor, right: Tensor) -> Tensor:
    """Return what flows out of each point through its four sides."""
    below, above, east, west = _sides(down, right)
    return below - above + east - west


def _sides(down: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what there is on the four sides of each point, 0 at the edges of the field."""
    return (
        functional.pad(down, (0, 0, 0, 1)),
        functional.pad(down, (0, 0, 1, 0)),
        functional.pad(right, (0, 1)),
        functional.pad(right, (1, 0)),
    )


def _laplacian(field: Tensor, mask: Tensor) -> Tensor:
    return _divergence(*_differences(field, mask))


def _coefficients(field: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return Fourier coefficients [B, C, H, W // 2 + 1] and the bin of each, [H, W // 2 + 1]."""
    height, width = field.shape[-2:]
    bins = _bins(height, width, field.device)
    return torch.fft.rfft2(torch.where(mask, field, 0.0)), bins


@kept
def _bins(height: int, width: int, device: torch.device) -> Tensor:
    rows = torch.fft.fftfreq(height, device=device)[:, None]
    columns = torch.fft.rfftfreq(width, device=device)
    radius = (rows.square() + columns.square()).sqrt() / math.sqrt(0.5)
    bins: Tensor = (radius * BINS).long().clamp(max=BINS - 1)
    return bins


def _log_power(coefficients: Tensor, mask: Tensor, bins: Tensor) -> Tensor:
    points = mask.sum(dim=(2, 3)).clamp(min=1)[..., None]
    power = coefficients.real.square() + coefficients.imag.square()
    empty = power.new_zeros(*power.shape[:2], BINS)
    total = empty.index_add(2, bins.flatten(), power.flatten(2))
    waves = empty[0, 0].index_add(0, bins.flatten(), torch.ones_like(power[0, 0]).flatten())
    last = torch.where(waves > 0, torch.arange(BINS, device=bins.device), 0).cummax(0).values
    return (total[..., last] / waves[last] / points + LEAST_POWER).log()
