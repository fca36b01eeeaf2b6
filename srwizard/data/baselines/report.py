"""The simple methods of a whole dataset, scored on its validation and test splits."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.data.baselines.fit import LEAST_STEPS
from srwizard.data.baselines.scores import rmse
from srwizard.data.dataset import Dataset, unreadable
from srwizard.data.inspect import scale_of

SPLITS = ("valid", "test")


@dataclass(frozen=True)
class VariableBaselines:
    """The simple methods of one variable.

    Args:
        variable: its name.
        scores: method -> split -> RMSE, in the variable's unit; NaN where it was not measured.
        best: the name of the method with the lowest RMSE on the validation split.
        learning_curve: steps and RMSE on the validation split, from `Evidence`.
        note: what there is to say of it, or "".
    """

    variable: str
    scores: Mapping[str, Mapping[str, float]]
    best: str
    learning_curve: Sequence[tuple[int, float]] = ()
    note: str = ""
    splits: tuple[str, ...] = SPLITS

    def as_json(self) -> dict[str, Any]:
        """Return what `srwizard baselines --json` prints of it."""
        scores = {
            name: {split: None if math.isnan(value) else value for split, value in found.items()}
            for name, found in self.scores.items()
        }
        curve = [{"steps": steps, "rmse": error} for steps, error in self.learning_curve]
        return {"best": self.best, "rmse": scores, "learning_curve": curve}


def baselines_of(dataset: Dataset) -> list[VariableBaselines]:
    """Fit and score the simple methods of every variable of a dataset that can be used.

    Raises:
        DatasetError: a file cannot be read.
    """
    try:
        return [_of_variable(dataset, one.name) for one in dataset.summary.variables]
    except (OSError, ValueError) as error:
        raise unreadable(error, dataset.root) from None


def _of_variable(dataset: Dataset, name: str) -> VariableBaselines:
    variable = dataset.summary.variable(name)
    scale = scale_of(variable.hr_shape, variable.lr_shape) or 1
    found = dataset.settled(name, scale, "PGN", None)
    measured = [choice for choice, score in found.scores.items() if not math.isnan(score)]
    ready = [found.fitted.baseline(choice) for choice in measured]
    test = dict(zip(measured, rmse(dataset.contents, "test", name, ready), strict=True))
    few = found.fitted.steps < LEAST_STEPS
    return VariableBaselines(
        name,
        {
            choice.name: {"valid": score, "test": test.get(choice, math.nan)}
            for choice, score in found.scores.items()
        },
        found.best.name,
        found.evidence.learning_curve,
        _("{count} training steps are too few for a climatology or a filter: bicubic alone.",
          count=found.fitted.steps) if few else "",
    )  # fmt: skip
