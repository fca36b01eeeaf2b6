"""Gaussian random fields of a known spectrum: what the self-check trains on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from srwizard.data.fields import FloatField

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GaussianFields:
    """A homogeneous Gaussian random field of unit variance, on a square of a periodic plane.

    The plane is twice as wide as the square, so that opposite edges of a field do not meet.

    Args:
        size: points of a high-resolution field in each direction, a multiple of `scale`.
        scale: HR/LR; LR is the mean over blocks of `scale` x `scale` points.
        slope: of the isotropic spectrum, E(k) ~ k^-slope.
        longest: the lowest wavenumber with power, in cycles per plane.
        mean: of every point.
    """

    size: int = 64
    scale: int = 4
    slope: float = 3.0
    longest: int = 3
    mean: float = 15.0

    @property
    def period(self) -> int:
        """Points of the periodic plane in each direction."""
        return 2 * self.size

    @property
    def low_size(self) -> int:
        """Points of a low-resolution field in each direction."""
        return self.size // self.scale

    @cached_property
    def power(self) -> Floats:
        """The variance at each wavenumber of the plane, `[P, P]` in numpy's order; its sum is 1."""
        along = np.fft.fftfreq(self.period) * self.period
        wavenumber = np.hypot(along[:, None], along)
        # A ring of the plane holds about k modes: per mode one power more.
        shape = np.maximum(wavenumber, 1) ** (-self.slope - 1)
        power: Floats = np.where(wavenumber >= self.longest, shape, 0.0)
        power /= power.sum()
        return power

    def draw(self, generator: np.random.Generator) -> Floats:
        """Return one HR field `[H, W]`."""
        noise = np.fft.fft2(generator.standard_normal((self.period, self.period)))
        plane = np.fft.ifft2(noise * np.sqrt(self.power) * self.period).real
        return self.mean + plane[: self.size, : self.size]

    def coarse(self, hr: npt.NDArray[np.floating]) -> Floats:
        """Return the block means `[..., h, w]` of fields `[..., H, W]`."""
        low, scale = self.low_size, self.scale
        blocks = hr.reshape(*hr.shape[:-2], low, scale, low, scale)
        means: Floats = blocks.mean(axis=(-3, -1), dtype=np.float64)
        return means

    def pair(self, seed: tuple[int, ...]) -> tuple[FloatField, FloatField]:
        """Return one HR field `[H, W]` and its LR field `[h, w]`; the same for the same seed."""
        hr = self.draw(np.random.default_rng(seed))
        return hr.astype(np.float32), self.coarse(hr).astype(np.float32)
