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
class Compared:
    """The simple methods of one variable as they were fitted, with their validation RMSE.

    Args:
        fitted: what they are made of.
        scores: of each method.
        partial: of the linear filters of a part of the steps, see `Fitted.partial`.
    """

    fitted: Fitted
    scores: Mapping[Choice, float]
    partial: Sequence[float]


@dataclass(frozen=True)
class Settled:
    """Which of the simple methods of one variable is taken.

    Args:
        learnt: what is needed to apply them, and which was chosen.
        best: the one with the lowest RMSE on the validation split.
        scores: the RMSE on the validation split of the standard methods, and of the best.
        compared: what that was chosen from; another choice can be made of it.
        evidence: how much can be learnt of the record.
    """

    learnt: Learnt
    best: Choice
    scores: Mapping[Choice, float]
    compared: Compared
    evidence: Evidence


def compare(
    contents: Contents, variable: str, scale: int, progress: Progress = lambda _done, _total: None
) -> Compared:
    """Fit the simple methods and score them on the validation split.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    fitting, scoring = _fitting(contents, variable), _scoring(contents, variable, "valid")
    total = fitting + scoring
    fitted = fit(contents, variable, scale, lambda done, _all: progress(done, total))
    choices = list(dict.fromkeys((*STANDARD, *fitted.choices)))
    means = fitted.lr_mean, fitted.hr_mean
    partial = [
        ready(LINEAR, part, *means, periodic=fitted.moments.periodic)
        for _steps, part in fitted.partial
    ]
    scores = rmse(
        contents,
        "valid",
        variable,
        [*(fitted.baseline(choice) for choice in choices), *partial],
        lambda done, _all: progress(fitting + done, total),
    )
    count = len(choices)
    return Compared(fitted, dict(zip(choices, scores[:count], strict=True)), scores[count:])


def steps_read(contents: Contents, variable: str) -> int:
    """Return how many steps `settle` reads, where the methods were not compared before."""
    scored = sum(_scoring(contents, variable, split) for split in ("valid", "train"))
    return _fitting(contents, variable) + scored


def settle(
    contents: Contents,
    variable: str,
    scale: int,
    *,
    normalization: str,
    wanted: Choice | None = None,
    compared: Compared | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Settled:
    """Compare the simple methods, choose one, and measure what it misses.

    Args:
        contents: the dataset.
        variable: which.
        scale: HR/LR.
        normalization: "PGN": the spread of what is missed is that of each grid point; "GN": one.
        wanted: the method to start from; None: the best.
        compared: the methods, where they were compared already.
        progress: called with steps read and steps in all.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    measuring = _scoring(contents, variable, "train")
    begun = 0
    if compared is None:
        begun = _fitting(contents, variable) + _scoring(contents, variable, "valid")
        compared = compare(
            contents, variable, scale, lambda done, _all: progress(done, begun + measuring)
        )
    fitted = compared.fitted
    # Of very few steps only bicubic interpolation is trusted, unless another one is asked for.
    choices = fitted.choices if wanted is None else STANDARD
    scores = {choice: compared.scores[choice] for choice in choices}
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
        progress=lambda done, _all: progress(begun + done, begun + measuring),
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
        fitted.moments.periodic,
    )
    evidence = gathered(
        contents,
        variable,
        fitted,
        [*compared.partial, scores.get(LINEAR, math.nan)],
        (float(levels[0]), float(levels[1])),
        statistics,
    )
    kept = {one: score for one, score in scores.items() if one in (*STANDARD, winner, choice)}
    return Settled(learnt, winner, {**kept, **_missing(kept)}, compared, evidence)


LINEAR = Choice("linear", 0.0)
_FILTERS: tuple[tuple[Method, float], ...] = (("linear", 0.0), ("climatology+linear", 1.0))


def _fitting(contents: Contents, variable: str) -> int:
    """Return how many steps a fit reads."""
    return min(len(contents.fields["train", "lr", variable].steps), MOST_STEPS)


def _scoring(contents: Contents, variable: str, split: str) -> int:
    """Return how many steps of a split are read to score on it."""
    return min(len(contents.fields[split, "lr", variable].steps), MOST_STEPS_SCORED)


def _missing(kept: Mapping[Choice, float]) -> dict[Choice, float]:
    """Return NaN for the standard methods that were not fitted: the record is too short."""
    return {choice: math.nan for choice in STANDARD if choice not in kept}


def statistics_of(settled: Sequence[Settled], method: str) -> dict[str, Statistics] | None:
    """Return the statistics for normalization that the fit has taken by the way.

    None where it has read only some of the steps of a long record: they are those of all steps.
    """
    fits = [one.compared.fitted for one in settled]
    if not all(fitted.has_read_all for fitted in fits):
        return None
    return {
        level: stacked([channel_of(getattr(one, level).result(), method) for one in fits])
        for level in ("hr", "lr")
    }
