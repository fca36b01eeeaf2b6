"""How sure a score is: 95 % intervals by a block bootstrap over time.

Errors of neighbouring steps resemble each other, so that steps drawn one by one would promise too
much. Blocks of neighbouring steps are drawn instead (Künsch 1989, doi:10.1214/aos/1176347265),
round the end of the record to its beginning; their length follows from the autocorrelation of the
errors (Wilks 1997, doi:10.1175/1520-0442(1997)010<0065:RHTFAF>2.0.CO;2, eq. 19). The methods are
compared on the same blocks. Few blocks understate the spread of what is drawn; the intervals are
widened for that, as Student's t is wider than the normal distribution. Where a record holds too
few independent steps there is no interval: blocks of it cannot show how much others would differ.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from srwizard.runs.certainty import FEWEST_INDEPENDENT
from srwizard.runs.skill import ROUNDING

LEVEL = 0.95
DRAWS = 2000
DRAWS_AT_ONCE = 100
SEED = 0
HARDLY_AN_ERROR = 1e-3
"""Share of its median that an error must have in all but a few draws, or nothing is divided by."""
AT_MOST_ONE = ("ssim", "correlation")
SIGNED = ("psnr", "bias", "kinetic_energy_bias")
Series = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Intervals:
    """The intervals of one variable.

    Attributes:
        steps: with a value, in order of time.
        block: length of the blocks, in steps.
        autocorrelation: of the errors, from one step to the next.
        independent: as many independent steps would tell as much.
        rmse: of each method, low and high; None where the record has too few independent steps.
        difference: RMSE of the model - RMSE of the best simple method, low and high, or None.
        skill: 1 - RMSE of the model / that of the best simple method, low and high, or None.
    """

    steps: int
    block: int
    autocorrelation: float
    independent: float
    rmse: Mapping[str, tuple[float, float]] | None
    difference: tuple[float, float] | None
    skill: tuple[float, float] | None

    @property
    def blocks(self) -> float:
        """How many independent pieces the intervals are drawn from."""
        return min(self.steps / self.block, self.independent)

    @property
    def distinguishable(self) -> bool | None:
        """Whether model and simple method differ; None where there is too little to say so."""
        if self.difference is None or self.rmse is None:
            return None
        equal = ROUNDING * max(high for _low, high in self.rmse.values())
        return self.difference[0] > equal or self.difference[1] < -equal

    def as_json(self) -> dict[str, Any]:
        """Return what scores hold of it."""
        return {
            "level": LEVEL,
            "steps": self.steps,
            "block": self.block,
            "autocorrelation": self.autocorrelation,
            "independent_steps": self.independent,
            "rmse": self.rmse,
            "difference": self.difference,
            "skill": self.skill,
            "distinguishable": self.distinguishable,
        }


def intervals(
    squared: Mapping[str, Series],
    points: Series,
    best: str,
    autocorrelation: float | None = None,
) -> Intervals:
    """Return the intervals of the scores of one variable.

    Args:
        squared: of "model" and each simple method `[N]`, the sum of the squared errors of each
            step, in order of time.
        points: `[N]`, how many points these are over; steps without any are left out.
        best: the simple method that the model is compared with.
        autocorrelation: of the errors, where more steps than these tell it.
    """
    there = points > 0
    weights = points[there]
    errors = {name: values[there] for name, values in squared.items()}
    steps = len(weights)
    if steps == 0:
        return Intervals(0, 0, 0.0, 0.0, None, None, None)
    if autocorrelation is None:
        mean = errors["model"] / weights
        autocorrelation = max(map(autocorrelation_of, (mean, mean - errors[best] / weights)))
    found = Intervals(
        steps,
        block_length(steps, autocorrelation),
        autocorrelation,
        independent_steps(steps, autocorrelation),
        None, None, None,
    )  # fmt: skip
    if found.independent < FEWEST_INDEPENDENT:
        return found
    total, *sums = drawn_sums(np.column_stack([weights, *errors.values()]), found.block).T
    rmse = {name: np.sqrt(summed / total) for name, summed in zip(errors, sums, strict=True)}
    ours, theirs, blocks = rmse["model"], rmse[best], found.blocks
    return replace(
        found,
        rmse={name: interval_of(values, blocks, "rmse") for name, values in rmse.items()},
        difference=interval_of(ours - theirs, blocks),
        skill=interval_of(1 - ours / theirs, blocks, "skill")
        if _can_be_divided_by(theirs)
        else None,
    )


def _can_be_divided_by(rmse: Series) -> bool:
    """Return whether hardly any draw has next to no error, as of ice that most steps have not."""
    low, middle = np.quantile(rmse, [(1 - LEVEL) / 2, 0.5])
    return bool(np.all(rmse > 0) and low > HARDLY_AN_ERROR * middle)


def drawn_sums(sums: Series, block: int) -> Series:
    """Return the sums `[DRAWS, S]` over the steps of each draw, the same draws for equal lengths.

    Args:
        sums: `[N, S]`, of each step.
        block: length of the blocks, in steps, at most N.
    """
    steps = len(sums)
    random = np.random.default_rng(SEED)
    starts = random.integers(0, steps, (DRAWS, -(-steps // block)))
    found = np.empty((DRAWS, sums.shape[1]))
    rows = steps * np.arange(DRAWS_AT_ONCE)[:, None]
    for first in range(0, DRAWS, DRAWS_AT_ONCE):
        places = starts[first : first + DRAWS_AT_ONCE, :, None] + np.arange(block)
        places -= steps * (places >= steps)
        places = places.reshape(DRAWS_AT_ONCE, -1)[:, :steps] + rows
        times = np.bincount(places.ravel(), minlength=rows.size * steps).astype(np.float64)
        found[first : first + DRAWS_AT_ONCE] = times.reshape(DRAWS_AT_ONCE, steps) @ sums
    return found


def interval_of(values: Series, blocks: float, score: str | None = None) -> tuple[float, float]:
    """Return low and high of what was drawn, widened for having so many blocks only.

    Args:
        values: as drawn.
        blocks: how many independent pieces the record has.
        score: what they are, which may have limits; None: a difference, which has none.
    """
    low, middle, high = np.quantile(values, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
    wider = _widening(blocks)
    with np.errstate(invalid="ignore"):  # an error of zero has a PSNR without limit
        ends = middle + wider * (low - middle), middle + wider * (high - middle)
    least, most = _limits_of(score)
    return float(np.clip(ends[0], least, most)), float(np.clip(ends[1], least, most))


def _limits_of(score: str | None) -> tuple[float, float]:
    """Return the least and the largest value that a score can have."""
    if score is None or score in SIGNED:
        return -math.inf, math.inf
    if score == "skill":
        return -math.inf, 1.0
    return (-1.0, 1.0) if score in AT_MOST_ONE else (0.0, math.inf)


def autocorrelation_of(series: Series) -> float:
    """Return the correlation of a series `[N]` with itself one step later, from 0 to 0.999.

    That of a short series is too low, by (1 + 4 r) / N, which is added (Kendall 1954, Biometrika
    41, 403, doi:10.1093/biomet/41.3-4.403).
    """
    count = len(series)
    anomalies = series - series.mean()
    variance = float(anomalies @ anomalies)
    if count < 3 or variance <= 0:
        return 0.0
    r = float(anomalies[1:] @ anomalies[:-1]) / variance
    return min(max(r + (1 + 4 * max(r, 0.0)) / count, 0.0), 0.999)


def independent_steps(count: int, autocorrelation: float) -> float:
    """Return how many independent values tell as much of a mean as those of an AR(1) process."""
    return count * (1 - autocorrelation) / (1 + autocorrelation)


def block_length(count: int, autocorrelation: float) -> int:
    """Return how long blocks must be to keep the dependence of so many steps; at least 1.

    The solution l of l = (N - l + 1) ** (2/3 (1 - N'/N)), where N' is the number of independent
    steps.
    """
    exponent = 2 / 3 * (1 - independent_steps(count, autocorrelation) / count)
    low, high = 1.0, float(count)
    for _ in range(60):  # the right side falls as l grows: there is one solution
        middle = (low + high) / 2
        low, high = (middle, high) if middle < (count - middle + 1) ** exponent else (low, middle)
    return math.ceil(round(low, 6))


def _widening(blocks: float) -> float:
    """Return how much wider than drawn an interval from so many blocks must be."""
    quantile = (1 + LEVEL) / 2
    t = stdtrit(blocks - 1, quantile) / ndtri(quantile)
    return float(t) * math.sqrt(blocks / (blocks - 1))
