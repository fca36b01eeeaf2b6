"""What a dataset says of how much can be learnt of it, besides the scores of the simple methods."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from srwizard.data.baselines.fit import MOST_STEPS, MOST_STEPS_SCORED, Fitted
from srwizard.data.baselines.skip import level_of
from srwizard.data.layout import Contents
from srwizard.data.normalization import Statistics
from srwizard.data.sampling import spread

Range = tuple[float, float]


@dataclass(frozen=True)
class Evidence:
    """What was found of one variable.

    Args:
        steps: of the training split.
        observed: the share of the points of its HR fields that have a value.
        learning_curve: the RMSE on the validation split of the linear filter fitted on a quarter,
            on half and on all of the steps, each with how many these are; empty where there are
            too few steps, or nothing to measure.
        levels: by split, the range of the mean over an LR field, from the statistics of the
            training split on.
    """

    steps: int
    observed: float
    learning_curve: Sequence[tuple[int, float]]
    levels: Mapping[str, Range]


def gathered(
    contents: Contents,
    variable: str,
    fitted: Fitted,
    linear: Sequence[float],
    training_levels: Range,
    statistics: Statistics,
) -> Evidence:
    """Return the evidence of a variable, from what was read for the simple methods.

    Args:
        contents: the dataset; of its validation and test splits some LR fields are read.
        variable: which.
        fitted: the training split.
        linear: the RMSE of the linear filters: those of `fitted.partial`, and that of all steps.
        training_levels: from `fit.missed`.
        statistics: as there.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    taken = [steps for steps, _kernel in fitted.partial]
    read = min(fitted.steps, MOST_STEPS)
    curve = list(zip([*taken, read], linear, strict=True)) if taken else []
    levels = {split: _levels(contents, split, variable, statistics) for split in ("valid", "test")}
    return Evidence(
        fitted.steps,
        float(fitted.hr.count.sum()) / (read * fitted.hr.count.size),
        curve if all(math.isfinite(error) for _steps, error in curve) else [],
        {"train": training_levels, **levels},
    )


def _levels(contents: Contents, split: str, variable: str, statistics: Statistics) -> Range:
    field = contents.fields[split, "lr", variable]
    found = [
        float(level_of(field.read(index)[None] - statistics.mean)[0])
        for index in spread(len(field.steps), MOST_STEPS_SCORED)
    ]
    return min(found), max(found)
