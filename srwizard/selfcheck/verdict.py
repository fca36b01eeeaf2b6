"""What a network has predicted, held against what is best possible. Imports no torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from srwizard.data.fields import FloatField
from srwizard.data.layout import Contents
from srwizard.selfcheck.dataset import VARIABLE
from srwizard.selfcheck.optimum import Optimum, power
from srwizard.selfcheck.recipes import Limits


@dataclass(frozen=True)
class Check:
    """One figure of a network beside its limits.

    Args:
        name: "rmse", "spread" or "power": each as a ratio to what is exact. Of the power, that of
            the wavenumber where it is furthest from 1.
        value: the ratio.
        least: that it may be; None: as small as it gets.
        most: that it may be.
    """

    name: str
    value: float
    least: float | None
    most: float

    @property
    def passed(self) -> bool:
        """Whether it is within its limits; NaN is not."""
        return (self.least is None or self.value >= self.least) and self.value <= self.most

    def as_json(self) -> dict[str, Any]:
        """Return what `srwizard selfcheck --json` prints of it."""
        return {
            "name": self.name,
            "ratio": self.value,
            "at_least": self.least,
            "at_most": self.most,
            "passed": self.passed,
        }


@dataclass(frozen=True)
class Judged:
    """What a prediction of the test split came to.

    Args:
        rmse: its RMSE; of an ensemble, that of the mean.
        best: RMSE of the conditional mean on the same fields: the bound, but for the chance of
            which fields were drawn.
        checks: the figures that have limits.
    """

    rmse: float
    best: float
    checks: list[Check]


def judge(optimum: Optimum, contents: Contents, predicted: Path, limits: Limits) -> Judged:
    """Hold a prediction of the test split against what is best possible.

    Args:
        optimum: the conditional distribution of HR given LR.
        contents: the dataset.
        predicted: the file that `srwizard predict` has written.
        limits: what is checked, and against what.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    hr, lr = (_test_split(contents, level) for level in ("hr", "lr"))
    with h5py.File(predicted) as file:
        mean: FloatField = file[VARIABLE][()]
        members: FloatField | None = file[f"{VARIABLE}_members"][()] if limits.spread else None
    rmse, best = _rmse(mean - hr), _rmse(optimum.mean(lr) - hr)
    # On the same fields, so that it does not depend on which were drawn.
    of_mean = Check("rmse", rmse / best, None, limits.rmse)
    others = () if members is None else _of_members(optimum, lr, members, limits)
    return Judged(rmse, best, [of_mean, *others])


def _of_members(
    optimum: Optimum, lr: FloatField, members: FloatField, limits: Limits
) -> Iterator[Check]:
    """Yield what is checked of members `[N, M, H, W]`."""
    if limits.spread is not None:
        spread = float(np.sqrt(members.var(axis=1, ddof=1, dtype=np.float64).mean()))
        yield _near_one("spread", spread / optimum.rmse, limits.spread)
    if limits.power is not None:
        # Wavenumber 0 is the mean. Of the last, waves of two points, the grid holds one phase only:
        # it is not resolved.
        ratio = (power(members - optimum.fields.mean) / optimum.power(lr))[1:-1]
        furthest = float(ratio[np.abs(ratio - 1).argmax()])
        yield _near_one("power", furthest, limits.power)


def _near_one(name: str, value: float, away: float) -> Check:
    return Check(name, value, 1 - away, 1 + away)


def _test_split(contents: Contents, level: str) -> npt.NDArray[np.float32]:
    field = contents.fields["test", level, VARIABLE]
    return np.stack([field.read(index) for index in range(len(field.steps))])


def _rmse(error: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(np.square(error, dtype=np.float64).mean()))
