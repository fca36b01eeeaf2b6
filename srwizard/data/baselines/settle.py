"""Which simple method a network starts from: settled on the validation split."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from srwizard.data.baselines.choice import STANDARD, Choice, Method
from srwizard.data.baselines.evidence import Evidence, gathered
from srwizard.data.baselines.fit import MOST_STEPS, MOST_STEPS_SCORED, Fitted, Progress, fit, missed
from srwizard.data.baselines.learnt import Learnt, ready
from srwizard.data.baselines.scores import best, rmse
from srwizard.data.baselines.skip import shares, shrunk
from srwizard.data.layout import Contents
from srwizard.data.normalization import Statistics, channel_of, stacked


@dataclass(frozen=True)
class Settled:
    """The simple methods of one variable, compared.

    Args:
        learnt: what is needed to apply them, and which was chosen.
        best: the one with the lowest RMSE on the validation split.
        scores: the RMSE on the validation split of the standard methods, and of the best.
        fitted: what they were made of.
        evidence: how much can be learnt of the record.
    """

    learnt: Learnt
    best: Choice
    scores: Mapping[Choice, float]
    fitted: Fitted
    evidence: Evidence


def settle(
    contents: Contents,
    variable: str,
    scale: int,
    *,
    normalization: str,
    wanted: Choice | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Settled:
    """Fit the simple methods, compare them on the validation split, and measure what one misses.

    Args:
        contents: the dataset.
        variable: which.
        scale: HR/LR.
        normalization: "PGN": the spread of what is missed is that of each grid point; "GN": one.
        wanted: the method to start from; None: the best.
        progress: called with steps read and steps in all.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    train, valid = (
        len(contents.fields[split, "lr", variable].steps) for split in ("train", "valid")
    )
    fitting, scoring = min(train, MOST_STEPS), min(valid, MOST_STEPS_SCORED)
    total = fitting + scoring + min(train, MOST_STEPS_SCORED)
    fitted = fit(contents, variable, scale, lambda done, _all: progress(done, total))
    choices = fitted.choices if wanted is None else STANDARD
    partial = [ready(LINEAR, part, fitted.lr_mean, fitted.hr_mean) for _n, part in fitted.partial]
    found = rmse(
        contents,
        "valid",
        variable,
        [*(fitted.baseline(choice) for choice in choices), *partial],
        lambda done, _all: progress(fitting + done, total),
    )
    scores = dict(zip(choices, found[: len(choices)], strict=True))
    winner = best(scores)
    choice = wanted or winner
    baseline = fitted.baseline(choice)
    statistics = shrunk(
        stacked([channel_of(fitted.lr.result(), normalization)]), shares([baseline])
    )
    spread, levels = missed(
        contents,
        variable,
        baseline,
        statistics,
        per_point=normalization == "PGN",
        progress=lambda done, _all: progress(fitting + scoring + done, total),
    )
    linear, anomaly = (fitted.kernel(Choice(method, weight)) for method, weight in _FILTERS)
    learnt = Learnt(
        fitted.lr_mean,
        fitted.hr_mean,
        linear,
        anomaly,
        baseline.kernel,
        spread,
        levels,
        choice,
    )
    evidence = gathered(
        contents,
        variable,
        fitted,
        [*found[len(choices) :], scores.get(LINEAR, math.nan)],
        (float(levels[0]), float(levels[1])),
        statistics,
    )
    kept = {one: score for one, score in scores.items() if one in (*STANDARD, winner, choice)}
    return Settled(learnt, winner, {**kept, **_missing(kept)}, fitted, evidence)


LINEAR = Choice("linear", 0.0)
_FILTERS: tuple[tuple[Method, float], ...] = (("linear", 0.0), ("climatology+linear", 1.0))


def _missing(kept: Mapping[Choice, float]) -> dict[Choice, float]:
    """Return NaN for the standard methods that were not fitted: the record is too short."""
    return {choice: math.nan for choice in STANDARD if choice not in kept}


def statistics_of(settled: Sequence[Settled], method: str) -> dict[str, Statistics]:
    """Return the statistics for normalization that the same pass has taken."""
    return {
        level: stacked([channel_of(getattr(one.fitted, level).result(), method) for one in settled])
        for level in ("hr", "lr")
    }
