"""How fine the waves are that hold the variance of a field."""

import math

import numpy as np
import numpy.typing as npt

from srwizard.data.layout import Contents
from srwizard.data.sampling import spread

STEPS = 16
SHARE = 0.9


def reaches(contents: Contents, variable: str) -> tuple[int, int]:
    """Return the wavenumbers `(y, x)` below which 90 % of the variance of LR lies.

    Of the anomalies from the mean of 16 steps spread over the training split, gaps as zero, under a
    Hann window, so that edges that do not meet count for little; in cycles per field, from 1 on.

    Args:
        contents: the dataset.
        variable: which.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    field = contents.fields["train", "lr", variable]
    found = np.stack([field.read(index) for index in spread(len(field.steps), STEPS)])
    along_y, along_x = map(_reach, _powers(_anomalies(found.astype(np.float64))))
    return along_y, along_x


def _anomalies(fields: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return what `[N, h, w]` fields have beside their mean, gaps as 0.

    The mean is that of each point, or of each field where there is but one.
    """
    valid = np.isfinite(fields)
    over = 0 if len(fields) > 1 else (1, 2)
    count = np.maximum(valid.sum(over, keepdims=True), 1)
    mean = np.where(valid, fields, 0).sum(over, keepdims=True) / count
    return np.where(valid, fields - mean, 0.0)


def _powers(anomalies: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Return the variance by wavenumber, from 0 on, along y and along x."""
    height, width = anomalies.shape[1:]
    windowed = anomalies * np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    return [
        (np.abs(np.fft.rfft(windowed, axis=axis)) ** 2).sum(axis=(0, 3 - axis)) for axis in (1, 2)
    ]


def _reach(power: npt.NDArray[np.float64]) -> int:
    total = power.sum()
    if not math.isfinite(total) or total <= 0:
        return 1
    return max(int(np.searchsorted(np.cumsum(power) / total, SHARE)), 1)
