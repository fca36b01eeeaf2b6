"""The best super-resolution of a Gaussian field: exact, from its covariance.

Of a Gaussian vector x (HR) whose block means y (LR) are known, the conditional mean
E[x | y] = m + G (y - m), G = Cov(x, y) Cov(y, y)^-1, has the least mean squared error of all
functions of y, and x is distributed about it with the covariance Cov(x, x) - G Cov(y, x), which
does not depend on y (e.g. Rasmussen & Williams 2006, Gaussian Processes, appendix A.2).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srwizard.selfcheck.fields import Floats, GaussianFields

RIDGE = 1e-12
"""Of the variance; Cov(y, y) is close to singular where a spectrum is steep."""


@dataclass(frozen=True)
class Optimum:
    """The conditional distribution of HR given LR.

    Args:
        fields: the random field.
        gain: G, `[H * W, h * w]`.
        cross: Cov(x, y), `[H * W, h * w]`.
        covariance: of two points of the plane, by their distance, `[P, P]`.
    """

    fields: GaussianFields
    gain: Floats
    cross: Floats
    covariance: Floats

    @property
    def variance(self) -> Floats:
        """The conditional variance of each point, `[H, W]`."""
        explained = (self.gain * self.cross).sum(axis=1)
        left: Floats = self.covariance[0, 0] - explained
        return left.reshape(self.fields.size, self.fields.size)

    @property
    def rmse(self) -> float:
        """The least possible RMSE, which is the conditional standard deviation, too."""
        return float(np.sqrt(self.variance.mean()))

    def mean(self, lr: npt.NDArray[np.floating]) -> Floats:
        """Return the conditional mean `[N, H, W]` given `[N, h, w]`."""
        low = lr.reshape(len(lr), -1) - self.fields.mean
        return self.fields.mean + (low @ self.gain.T).reshape(-1, *(self.fields.size,) * 2)

    def power(self, lr: npt.NDArray[np.floating]) -> Floats:
        """Return what `power` of samples of HR given `[N, h, w]` is on average: `[K]`."""
        size = self.fields.size
        points = np.arange(size**2).reshape(size, size)
        lines = [*points, *points.T]  # the points of each row, and of each column
        around = sum(self._power_along(line) for line in lines) / len(lines)
        return power(self.mean(lr) - self.fields.mean) + around

    def _power_along(self, line: npt.NDArray[np.int64]) -> Floats:
        """Return the power of what HR has beside its conditional mean, along a row or a column."""
        size = self.fields.size
        between = np.arange(size)[:, None] - np.arange(size)
        prior = self.covariance[0][between]
        window = np.hanning(size + 2)[1:-1]
        posterior = window[:, None] * window * (prior - self.gain[line] @ self.cross[line].T)
        waves = np.fft.rfft(np.eye(size), axis=0)
        return np.asarray(
            np.einsum("kx,xy,ky->k", waves, posterior, waves.conj(), optimize=True).real
        )


def optimum_of(fields: GaussianFields) -> Optimum:
    """Work out the conditional distribution of HR given LR."""
    period, size, scale, low = fields.period, fields.size, fields.scale, fields.low_size
    block = np.zeros((period, period))
    block[:scale, :scale] = 1 / scale**2
    spectrum, averaging = fields.power * period**2, np.fft.fft2(block)
    # By the distance of two points, of a point and a block, and of two blocks.
    covariance = np.fft.ifft2(spectrum).real
    to_block = np.fft.ifft2(spectrum * averaging).real
    of_blocks = np.fft.ifft2(spectrum * np.abs(averaging) ** 2).real
    point, corner = np.arange(size), scale * np.arange(low)
    cross = _pairs(to_block, point[:, None] - corner).reshape(size**2, low**2)
    blocks = _pairs(of_blocks, corner[:, None] - corner).reshape(low**2, low**2)
    gain = np.linalg.solve(blocks + RIDGE * np.eye(low**2), cross.T).T
    return Optimum(fields, gain.astype(np.float64), cross, covariance)


def power(fields: npt.NDArray[np.floating]) -> Floats:
    """Return the mean power of `[..., H, W]` along rows and columns, by wavenumber: `[K]`.

    Under a Hann window; wavenumbers in cycles per field, from 0 to half the number of points.
    """
    window = np.hanning(fields.shape[-1] + 2)[1:-1]
    along = [
        np.abs(np.fft.rfft(lines * window)) ** 2 for lines in (fields, fields.swapaxes(-1, -2))
    ]
    both: Floats = np.stack(along).reshape(-1, along[0].shape[-1]).mean(axis=0)
    return both


def _pairs(by_distance: Floats, distance: npt.NDArray[np.int64]) -> Floats:
    """Return a table by the distance of all rows, and of all columns: `[a, c, b, d]`."""
    return by_distance[distance[:, None, :, None], distance[None, :, None, :]]
