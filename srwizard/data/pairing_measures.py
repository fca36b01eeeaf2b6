"""How far fields of LR and of HR go together, whatever their units."""

import math

import numpy as np
import numpy.typing as npt

Series = npt.NDArray[np.float64]
"""`[N, h, w]`, NaN where there is no value."""

ALIKE = 1e-6
"""Where less than this share of the variance differs, nothing is left to be explained."""
FAR_BETTER = 0.15
"""Another pairing is named if it leaves less than this share of what the stored one leaves."""
FEWEST_POINTS = 16


def unexplained(lr: Series, hr: Series, *, opposite: bool = False) -> float:
    """Return the share of the variance of HR that a rising straight line of LR leaves.

    Args:
        lr, hr: of one shape.
        opposite: a falling line instead.
    """
    both = np.isfinite(lr) & np.isfinite(hr)
    if both.sum() < FEWEST_POINTS:
        return 1.0
    x, y = lr[both] - lr[both].mean(), hr[both] - hr[both].mean()
    norm = float((x @ x) * (y @ y))
    product = float(x @ y) * (-1 if opposite else 1)
    return 1 - product**2 / norm if norm > 0 and product > 0 else 1.0


def mean_over_steps(fields: Series) -> npt.NDArray[np.float64]:
    """Return `[h, w]`, NaN where no step has a value."""
    valid = np.isfinite(fields)
    total = np.where(valid, fields, 0).sum(0)
    return np.where(valid.any(0), total / np.maximum(valid.sum(0), 1), np.nan)


def changes(fields: Series, other: Series) -> Series:
    """Return how `fields` depart from their mean over the steps that `other` has too."""
    both = np.where(np.isfinite(other), fields, np.nan)
    both[:, np.isfinite(both).sum(0) < 2] = np.nan  # one step alone does not change
    return both - mean_over_steps(both)


def rms(values: npt.NDArray[np.float64]) -> float:
    """Return the root of the mean square."""
    return math.sqrt(float(np.mean(np.square(values))))
