"""The simple methods of a whole dataset, scored on its validation and test splits."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srwizard.base.i18n import translate_count as _n
from srwizard.data.baselines.fit import LEAST_STEPS, MOST_STEPS_SCORED, Progress
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


def baselines_of(
    dataset: Dataset, progress: Progress = lambda _done, _total: None
) -> list[VariableBaselines]:
    """Fit and score the simple methods of every variable of a dataset that can be used.

    Args:
        dataset: see above.
        progress: called with steps read and steps in all.

    Raises:
        DatasetError: a file cannot be read.
    """
    names = [one.name for one in dataset.summary.variables]

    def of_variable(place: int, name: str) -> VariableBaselines:
        def step_read(done: int, total: int) -> None:
            progress(place * total + done, len(names) * total)

        return _of_variable(dataset, name, step_read)

    try:
        return [of_variable(place, name) for place, name in enumerate(names)]
    except (OSError, ValueError) as error:
        raise unreadable(error, dataset.root) from None


def _of_variable(dataset: Dataset, name: str, progress: Progress) -> VariableBaselines:
    variable = dataset.summary.variable(name)
    scale = scale_of(variable.hr_shape, variable.lr_shape) or 1
    testing = min(dataset.summary.steps["test"], MOST_STEPS_SCORED)
    settling = 0

    def settling_read(done: int, total: int) -> None:
        nonlocal settling
        settling = total
        progress(done, total + testing)

    def test_read(done: int, _total: int) -> None:
        progress(settling + done, settling + testing)

    found = dataset.settled(name, scale, "PGN", None, settling_read)
    measured = [choice for choice, score in found.scores.items() if not math.isnan(score)]
    ready = [found.compared.fitted.baseline(choice) for choice in measured]
    errors = rmse(dataset.contents, "test", name, ready, test_read)
    test = dict(zip(measured, errors, strict=True))
    few = found.compared.fitted.steps < LEAST_STEPS
    return VariableBaselines(
        name,
        {
            choice.name: {"valid": score, "test": test.get(choice, math.nan)}
            for choice, score in found.scores.items()
        },
        found.best.name,
        found.evidence.learning_curve,
        _n(
            "{count} training step is too few for a climatology or a filter: bicubic alone.",
            "{count} training steps are too few for a climatology or a filter: bicubic alone.",
            found.compared.fitted.steps,
            count=found.compared.fitted.steps,
        )
        if few
        else "",
    )
