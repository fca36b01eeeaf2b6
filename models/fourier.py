"""The lowest Fourier modes of a field and back, by fast transforms or by matrix products.

Of the real field's half spectrum, the columns [0, columns) are kept, and the rows [0, rows) and
[-rows, 0). Where these are few, a product with the waves themselves beats the fast transform of
all modes, of which most are thrown away.
"""

import math

import torch
from torch import Tensor

from srwizard.models.constants import kept
from srwizard.models.tf32 import exact_product

FEWEST_POINTS = 128 * 128
"""On smaller grids neither way takes long."""
MOST_COLUMNS = 64
"""A product's cost grows with the columns: measured on 680 x 1440 points, 32 channels, forward and
backward, it takes 0.45 of the time of the truncated FFT with 12 columns, 0.6 with 48."""

MOST_SUMMED = 4
"""Samples up to which each product of channels is taken, then summed: matrices of so few rows are
slower (forward and backward with 24 modes, 32 channels: 2.8 and 7.8 ms for one sample, 7.6 and
10.0 ms for four, and the other way round for 16)."""


def products_win(height: int, width: int, columns: int) -> bool:
    """Return whether matrix products are faster than fast transforms."""
    return height * width >= FEWEST_POINTS and columns <= min(MOST_COLUMNS, width // 8)


def spectrum_by_fft(x: Tensor, rows: int, columns: int) -> Tensor:
    """Transform real [B, C, H, W] to complex [B, C, 2 * rows, columns]."""
    # One axis at a time: the columns that are dropped need no transform along y.
    spectrum = torch.fft.fft(torch.fft.rfft(x)[..., :columns], dim=-2)
    return torch.cat([spectrum[..., :rows, :], spectrum[..., x.shape[-2] - rows :, :]], dim=-2)


def field_by_fft(spectrum: Tensor, height: int, width: int) -> Tensor:
    """Transform [B, C, 2 * rows, columns] back to real [B, C, height, width]."""
    low, high = spectrum.chunk(2, dim=-2)
    middle = low.new_zeros(*low.shape[:2], height - spectrum.shape[-2], low.shape[-1])
    along_x = torch.fft.ifft(torch.cat([low, middle, high], dim=-2), dim=-2)
    # The columns that are missing count as zero.
    y: Tensor = torch.fft.irfft(along_x, n=width)
    return y


def spectrum_by_products(x: Tensor, rows: int, columns: int) -> Tensor:
    """The same as `spectrum_by_fft`."""
    to_modes = waves_to_modes(columns, x.shape[-1], x.device)
    return spectrum_of_along_x(exact_product(x, to_modes), rows)


def field_by_products(spectrum: Tensor, height: int, width: int) -> Tensor:
    """The same as `field_by_fft`."""
    along_x = along_x_of_spectrum(spectrum, height)
    return exact_product(along_x, waves_from_modes(spectrum.shape[-1], width, spectrum.device))


def mix_modes(spectrum: Tensor, weights1: Tensor, weights2: Tensor) -> Tensor:
    """Map the channels of each mode: [B, C, 2 * rows, columns] to [B, O, 2 * rows, columns].

    Args:
        spectrum: complex.
        weights1, weights2: [C, O, rows, columns, 2], of the first half of the rows and the second.
    """
    halves = [
        _mix_channels(half, torch.view_as_complex(weights))
        for half, weights in zip(spectrum.chunk(2, dim=-2), (weights1, weights2), strict=True)
    ]
    return torch.cat(halves, dim=-2)


def _mix_channels(modes: Tensor, weights: Tensor) -> Tensor:
    """Map [B, C, x, y] by [C, O, x, y] to [B, O, x, y], a product of matrices for each mode."""
    if len(modes) > MOST_SUMMED:
        return torch.einsum("bixy,ioxy->boxy", modes, weights)
    return (modes[:, :, None] * weights).sum(1)


@kept
def waves_to_modes(columns: int, width: int, device: torch.device) -> Tensor:
    """Return what takes rows of a field to their modes: [width, 2 * columns], real parts first."""
    cosine, sine = waves(torch.arange(columns, device=device), width)
    return torch.cat([cosine, -sine]).T


@kept
def waves_from_modes(columns: int, width: int, device: torch.device) -> Tensor:
    """Return what takes modes back to rows of a field: [2 * columns, width]."""
    number = torch.arange(columns, device=device)
    cosine, sine = waves(number, width)
    # All columns but the first and the last of a full half spectrum stand for their mirror images,
    # too.
    alone = (number == 0) | (2 * number == width)
    weight = torch.where(alone, 1.0, 2.0)[:, None] / width
    return torch.cat([cosine * weight, -sine * weight])


def spectrum_of_along_x(along_x: Tensor, rows: int) -> Tensor:
    """Transform along y as well: [B, C, H, 2 * columns] to complex [B, C, 2 * rows, columns]."""
    parts = exact_product(_row_waves(along_x.shape[-2], rows, along_x.device), along_x)
    # (cos - i sin) times (real + i imaginary), each of the four products a quarter of the parts.
    (cos_real, cos_imag), (sin_real, sin_imag) = (
        half.chunk(2, dim=-1) for half in parts.chunk(2, dim=-2)
    )
    return torch.complex(cos_real + sin_imag, cos_imag - sin_real)


def along_x_of_spectrum(spectrum: Tensor, height: int) -> Tensor:
    """Transform back along y: complex [B, C, 2 * rows, columns] to [B, C, H, 2 * columns]."""
    of_cos = torch.cat([spectrum.real, spectrum.imag], dim=-1)
    of_sin = torch.cat([-spectrum.imag, spectrum.real], dim=-1)
    waves_back = _row_waves(height, spectrum.shape[-2] // 2, spectrum.device).T / height
    return exact_product(waves_back, torch.cat([of_cos, of_sin], dim=-2))


def waves(numbers: Tensor, points: int) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of each wave number on a grid of `points`: [numbers, points]."""
    places = torch.arange(points, device=numbers.device)
    angles = places.double() * (2 * math.pi / points)
    # Whole periods are taken off before an angle is looked up.
    phases = (numbers[:, None] * places) % points
    return angles.cos().float()[phases], angles.sin().float()[phases]


@kept
def _row_waves(height: int, rows: int, device: torch.device) -> Tensor:
    """Return the cosines of the rows kept, then their sines: [4 * rows, H]."""
    numbers = torch.arange(rows, device=device)
    return torch.cat(waves(torch.cat([numbers, numbers - rows]), height))
