"""How good the simple methods are on a split: their RMSE, and which of them is best."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from srwizard.data.baselines.choice import STANDARD, Choice
from srwizard.data.baselines.fit import MOST_STEPS_SCORED, Progress
from srwizard.data.baselines.methods import Baseline
from srwizard.data.layout import Contents
from srwizard.data.sampling import spread

WORTH_A_SHARE = 0.02


def rmse(
    contents: Contents,
    split: str,
    variable: str,
    baselines: Sequence[Baseline],
    progress: Progress = lambda _done, _total: None,
) -> list[float]:
    """Return the RMSE of each of `baselines` over the points with a value; NaN if there is none.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    low, high = (contents.fields[split, level, variable] for level in ("lr", "hr"))
    squares = np.zeros(len(baselines))
    points = 0
    chosen = spread(len(low.steps), MOST_STEPS_SCORED)
    for done, index in enumerate(chosen, start=1):
        lr, hr = low.read(index), high.read(index)
        valid = np.isfinite(hr)
        points += int(valid.sum())
        for place, baseline in enumerate(baselines):
            missed = np.where(valid, baseline(lr) - hr, 0.0)
            squares[place] += float(np.square(missed).sum(dtype=np.float64))
        progress(done, len(chosen))
    return [math.sqrt(total / points) if points else math.nan for total in squares]


def best(scores: Mapping[Choice, float]) -> Choice:
    """Return the method with the lowest RMSE.

    A part of the climatology is one more number to be wrong about on a short split: it is taken
    only where it gains `WORTH_A_SHARE` over the methods as they are known.
    """
    known = {choice: score for choice, score in scores.items() if not math.isnan(score)}
    if not known:
        return STANDARD[0]
    plain = min((choice for choice in known if choice in STANDARD), key=known.__getitem__)
    lowest = min(known, key=known.__getitem__)
    return lowest if known[lowest] < (1 - WORTH_A_SHARE) * known[plain] else plain
