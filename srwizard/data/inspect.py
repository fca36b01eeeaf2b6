"""What is in a dataset: the facts that the wizard shows and the run config freezes.

Headers of all files are read; of the values only some rows of some steps, so that a record of
any length is inspected in seconds.
"""

import hashlib
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.data.fields import WHOLE, Field, FloatField
from srwizard.data.layout import Contents, Layout, Problem
from srwizard.data.pairing import pairing_problems
from srwizard.data.split_names import SPLITS
from srwizard.data.statics import usable_as_inputs

SAMPLED_STEPS = 512
"""At most so many steps of a split have values sampled."""
SAMPLED_ROWS = 16
# What archives write where there is no value, if not NaN.
FILL_VALUES = (-9999.0, -99999.0, -32768.0, -32767.0, -999.0, 9999.0, 99999.0)
LARGEST_PLAUSIBLE = 1e15
PAIRED_STEPS = 4
"""LR is compared with HR in so many steps of the training split."""
LAND_STEPS = 5
"""A point that has no value in any of so many steps, spread over the training split, is land."""


@dataclass(frozen=True)
class VariableSummary:
    """One variable: shapes `[H, W]`, the sampled range of its values in HR, the share of land.

    `calendar` is a digest of the names of its steps in all splits.
    """

    name: str
    hr_shape: tuple[int, int]
    lr_shape: tuple[int, int]
    minimum: float
    maximum: float
    land_share: float
    calendar: str


@dataclass(frozen=True)
class DatasetSummary:
    """A dataset as the user sees it, and every problem found in it.

    `statics` are the files of HR static fields, `static_inputs` the names of the LR ones that fit
    the grid of the first variable.
    """

    root: Path
    layout: Layout
    steps: dict[str, int]
    variables: tuple[VariableSummary, ...]
    statics: tuple[str, ...]
    static_inputs: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def usable(self) -> bool:
        """Whether nothing fatal was found."""
        return not any(problem.fatal for problem in self.problems)

    def variable(self, name: str) -> VariableSummary:
        """Return the summary of one variable.

        Raises:
            KeyError: there is no such variable.
        """
        for summary in self.variables:
            if summary.name == name:
                return summary
        raise KeyError(name)


def inspect(contents: Contents) -> DatasetSummary:
    """Look at what was found in a dataset directory.

    Returns:
        The summary. Bad data is reported in `problems` and never raised.
    """
    problems = list(contents.problems)
    summaries = []
    for name in contents.variables():
        hr, lr = (
            contents.fields.get(("train", "hr", name)),
            contents.fields.get(("train", "lr", name)),
        )
        if hr is None or lr is None:
            continue
        problems.extend(_shape_problems(contents, name))
        before = len(problems)
        lowest, highest = _scan_values(contents, name, problems)
        if len(problems) == before:  # what is no value says nothing of how the others belong
            problems.extend(_pairing_problems(contents, name))
        summaries.append(
            VariableSummary(
                name,
                hr.shape,
                lr.shape,
                lowest,
                highest,
                _land_share(hr),
                _calendar(contents, name),
            )
        )
    if not summaries and not problems:
        problems.append(Problem(contents.root, _("no variable is in it")))
    return DatasetSummary(
        root=contents.root,
        layout=contents.layout,
        steps={split: _step_count(contents, split) for split in SPLITS},
        variables=tuple(summaries),
        statics=tuple(path.stem for path in contents.statics.get("hr", ())),
        static_inputs=usable_as_inputs(contents, summaries[0].lr_shape) if summaries else (),
        problems=tuple(problems),
    )


def scale_of(hr_shape: Sequence[int], lr_shape: Sequence[int]) -> int | None:
    """Return HR/LR where it is one integer of at least 2 in both directions, else None."""
    (height, width), (low_height, low_width) = hr_shape, lr_shape
    scale = height // low_height
    exact = scale * low_height == height and scale * low_width == width
    return scale if exact and scale >= 2 else None


def selection_problem(summary: DatasetSummary, names: Sequence[str]) -> str | None:
    """Say why the variables `names` cannot be trained together, or None where they can."""
    known = [variable.name for variable in summary.variables]
    unknown = [name for name in names if name not in known]
    if unknown:
        return _(
            "the dataset has no variable {name}; it has {known}",
            name=", ".join(unknown),
            known=", ".join(known),
        )
    if not names:
        return _("choose at least one variable")
    shapes = {(summary.variable(name).hr_shape, summary.variable(name).lr_shape) for name in names}
    if len(shapes) > 1:
        grids = ", ".join(f"{name} {list(summary.variable(name).hr_shape)}" for name in names)
        return _(
            "these variables stand on different grids: {grids}. Bring them to one grid "
            "(cdo remapbil), or train one run for each",
            grids=grids,
        )
    if len({summary.variable(name).calendar for name in names}) > 1:
        return _("these variables have different steps: {names}", names=", ".join(names))
    return None


def static_inputs_problem(summary: DatasetSummary, names: Sequence[str]) -> str | None:
    """Say why the static fields `names` cannot be input channels, or None where they can."""
    unknown = [name for name in names if name not in summary.static_inputs]
    if unknown:
        return _(
            "the dataset has no LR static field {name} on its grid; it has {known}",
            name=", ".join(unknown),
            known=", ".join(summary.static_inputs) or _("none"),
        )
    if len(set(names)) < len(names):
        return _("a static field is named twice")
    return None


def require_usable(summary: DatasetSummary) -> None:
    """Raise where the dataset cannot be trained on.

    Raises:
        DatasetError: names the files and what is wrong with each.
    """
    if summary.usable:
        return
    fatal = [problem for problem in summary.problems if problem.fatal]
    hint = _(
        "Mend or remove these files, then look again: srwizard inspect {root}",
        root=shlex.quote(str(summary.root)),
    )
    if not summary.variables:
        hint = _(
            "A dataset directory holds train/, valid/ and test/, or train.h5, …; "
            "srwizard prepare makes one from NetCDF files."
        )
    raise DatasetError(
        _("the dataset {root} cannot be used:", root=summary.root)
        + "".join(f"\n  {line}" for line in describe_problems(fatal)),
        hint,
    )


def describe_problems(problems: Sequence[Problem], limit: int = 10) -> Iterator[str]:
    """Yield one line for each problem, at most `limit` and a count of the rest."""
    for problem in problems[:limit]:
        yield f"{problem.path}: {problem.message}"
    if len(problems) > limit:
        yield _("… and {count} more", count=len(problems) - limit)


def _step_count(contents: Contents, split: str) -> int:
    counts = [
        len(found.steps)
        for (name, level, _variable), found in contents.fields.items()
        if name == split and level == "hr"
    ]
    return min(counts, default=0)


def _calendar(contents: Contents, name: str) -> str:
    total = hashlib.sha256()
    for split in SPLITS:
        found = contents.fields.get((split, "hr", name))
        for step in found.steps if found is not None else ():
            total.update(os.fsencode(f"{split}/{step}\0"))
    return total.hexdigest()[:16]


def _shape_problems(contents: Contents, name: str) -> Iterator[Problem]:
    hr, lr = contents.fields["train", "hr", name], contents.fields["train", "lr", name]
    if scale_of(hr.shape, lr.shape) is None:
        turned = scale_of(hr.shape, lr.shape[::-1]) is not None
        yield Problem(
            lr.path(0),
            _(
                "LR {lr} is transposed, compared with HR {hr}: rows and columns are exchanged",
                hr=list(hr.shape),
                lr=list(lr.shape),
            )
            if turned
            else _(
                "HR {hr} over LR {lr} is not the same integer of at least 2 in both directions",
                hr=list(hr.shape),
                lr=list(lr.shape),
            ),
        )
    for (split, level, variable), found in contents.fields.items():
        first = contents.fields["train", level, name]
        if variable == name and found.shape != first.shape:
            yield Problem(
                found.path(0),
                _(
                    "shape {found} in {split} differs from {first} in train",
                    found=list(found.shape),
                    split=split,
                    first=list(first.shape),
                ),
            )


def spread(count: int, limit: int) -> list[int]:
    """Return at most `limit` indices spread evenly over `count`, first and last among them.

    One alone is the first.
    """
    if count <= limit:
        return list(range(count))
    if limit == 1:
        return [0]
    return [round(place * (count - 1) / (limit - 1)) for place in range(limit)]


def _scan_values(contents: Contents, name: str, problems: list[Problem]) -> tuple[float, float]:
    """Sample values of every split; note fields without any value and infinite ones."""
    lowest, highest = np.inf, -np.inf
    for (_split, level, variable), found in contents.fields.items():
        if variable != name:
            continue
        for index in spread(len(found.steps), SAMPLED_STEPS):
            values = _sampled_rows(found, index, problems)
            finite = values[np.isfinite(values)]
            if np.isinf(values).any():
                problems.append(Problem(found.path(index), _infinite(found, index, values)))
            if finite.size == 0:
                continue
            fill = _likely_fill(finite)
            if fill is not None:
                problems.append(
                    Problem(
                        found.path(index),
                        _("step {step} holds {value}, which looks like a fill value; "
                          "points without a value must be NaN",
                          step=found.steps[index], value=f"{fill:g}"),
                        fatal=False,
                    )
                )  # fmt: skip
            if level == "hr":
                lowest = min(lowest, float(finite.min()))
                highest = max(highest, float(finite.max()))
    if lowest == highest:
        problems.append(
            Problem(
                contents.fields["train", "hr", name].path(0),
                _("every value of {name} that was looked at is {value:g}", name=name, value=lowest),
                fatal=False,
            )
        )
    return (lowest, highest) if lowest <= highest else (float("nan"), float("nan"))


def _infinite(found: Field, index: int, values: FloatField) -> str:
    """Name the first infinite value of a step, of which all rows or some of them were read."""
    row, column = np.argwhere(np.isinf(values))[0].tolist()
    height = found.shape[0]
    stride = 1 if len(values) == height else height // SAMPLED_ROWS
    return _(
        "step {step} holds infinite values: {value:g} at row {row}, column {column} "
        "(counted from 0); data.outliers: mask leaves such values out",
        step=found.steps[index],
        value=float(values[row, column]),
        row=row * stride,
        column=column,
    )


def _likely_fill(finite: FloatField) -> float | None:
    """Return an extreme value that is likely to stand for "no value", or None."""
    for extreme in (float(finite.min()), float(finite.max())):
        if extreme in FILL_VALUES or abs(extreme) > LARGEST_PLAUSIBLE:
            return extreme
    return None


def _sampled_rows(found: Field, index: int, problems: list[Problem]) -> FloatField:
    """Read some rows of a step; where they hold nothing, the whole of it."""
    stride = max(1, found.shape[0] // SAMPLED_ROWS)
    try:
        values = found.read(index, (slice(None, None, stride), slice(None)))
        if not np.isfinite(values).any():
            values = found.read(index, WHOLE)
    except (OSError, ValueError) as error:
        problems.append(
            Problem(found.path(index), _("cannot be read: {reason}", reason=reason_of(error)))
        )
        return np.zeros((0, 0), dtype=np.float32)
    if not np.isfinite(values).any():
        problems.append(
            Problem(
                found.path(index), _("step {step} has no value at all", step=found.steps[index])
            )
        )
    return values


def _pairing_problems(contents: Contents, name: str) -> Sequence[Problem]:
    hr, lr = contents.fields["train", "hr", name], contents.fields["train", "lr", name]
    scale = scale_of(hr.shape, lr.shape)
    if scale is None or hr.steps != lr.steps:
        return ()  # which has been said already
    chosen = spread(len(hr.steps), PAIRED_STEPS)
    try:
        return tuple(pairing_problems(contents, name, scale, chosen))
    except (OSError, ValueError):
        return ()  # noted by the value scan


def _land_share(hr: Field) -> float:
    land: npt.NDArray[np.bool_] = np.ones(hr.shape, dtype=bool)
    for index in spread(len(hr.steps), LAND_STEPS):
        try:
            land &= np.isnan(hr.read(index))
        except (OSError, ValueError):
            continue  # noted by the value scan
    return float(land.mean())
