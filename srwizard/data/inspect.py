"""What is in a dataset: the facts that the wizard shows and the run config freezes.

Headers of all files are read; of the values only some rows of some steps, so that a record of
any length is inspected in seconds.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_one_line, in_shell
from srwizard.data.fields import Field
from srwizard.data.guides import usable_as_guides
from srwizard.data.layout import Contents, Layout, Problem
from srwizard.data.pairing import pairing_problems
from srwizard.data.sampled_values import sample_values
from srwizard.data.sampling import spread
from srwizard.data.shared_steps import shared_step_problems
from srwizard.data.split_names import SPLITS
from srwizard.data.statics import usable_as_inputs

PAIRED_STEPS = 4
"""LR is compared with HR in so many steps of the training split."""
LAND_STEPS = 5
"""A point that has no value in any of so many steps, spread over the training split, is land."""


@dataclass(frozen=True)
class VariableSummary:
    """One variable: shapes `[H, W]`, the sampled range of its values in HR, the share of land.

    `calendar` is a digest of the names of its steps in all splits; `undeclared` are values that
    look as if they stood for none.
    """

    name: str
    hr_shape: tuple[int, int]
    lr_shape: tuple[int, int]
    minimum: float
    maximum: float
    land_share: float
    calendar: str
    undeclared: tuple[float, ...] = ()


@dataclass(frozen=True)
class DatasetSummary:
    """A dataset as the user sees it, and every problem found in it.

    `statics` are the files of HR static fields, `static_inputs` the names of the LR ones that fit
    the grid of the first variable, `guides` those of the HR ones that do.
    """

    root: Path
    layout: Layout
    steps: dict[str, int]
    variables: tuple[VariableSummary, ...]
    statics: tuple[str, ...]
    static_inputs: tuple[str, ...]
    guides: tuple[str, ...]
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
    summaries: list[VariableSummary] = []
    for name in contents.variables():
        hr, lr = (
            contents.fields.get(("train", "hr", name)),
            contents.fields.get(("train", "lr", name)),
        )
        if hr is None or lr is None:
            continue
        problems.extend(_shape_problems(contents, name))
        if not summaries:  # the steps of the others are the same
            problems.extend(_order_problems(hr))
            problems.extend(shared_step_problems(contents, name))
        sampled = sample_values(contents, name)
        problems.extend(sampled.problems)
        if not sampled.problems:  # what is no value says nothing of how the others belong
            problems.extend(_pairing_problems(contents, name))
        problems.extend(sampled.doubts)
        summaries.append(
            VariableSummary(
                name,
                hr.shape,
                lr.shape,
                sampled.lowest,
                sampled.highest,
                _land_share(hr),
                _calendar(contents, name),
                sampled.undeclared,
            )
        )
    if not summaries and not problems:
        problems.append(Problem(contents.root, _("it contains no variables")))
    return DatasetSummary(
        root=contents.root,
        layout=contents.layout,
        steps={split: _step_count(contents, split) for split in SPLITS},
        variables=tuple(summaries),
        statics=tuple(path.stem for path in contents.statics.get("hr", ())),
        static_inputs=usable_as_inputs(contents, summaries[0].lr_shape) if summaries else (),
        guides=usable_as_guides(contents, summaries[0].hr_shape) if summaries else (),
        problems=tuple(problems),
    )


def scale_of(hr_shape: Sequence[int], lr_shape: Sequence[int]) -> int | None:
    """Return HR/LR where it is one integer of at least 2 in both directions, else None."""
    (height, width), (low_height, low_width) = hr_shape, lr_shape
    scale = height // low_height
    exact = scale * low_height == height and scale * low_width == width
    return scale if exact and scale >= 2 else None


def require_usable(summary: DatasetSummary) -> None:
    """Raise where the dataset cannot be trained on.

    Raises:
        DatasetError: names the files and what is wrong with each.
    """
    if summary.usable:
        return
    fatal = [problem for problem in summary.problems if problem.fatal]
    hint = _(
        "Repair or remove these files, then check again: srwizard inspect {root}",
        root=in_shell(summary.root),
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
        yield f"{in_one_line(problem.path)}: {problem.message}"
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


def _order_problems(hr: Field) -> Iterator[Problem]:
    """Say that steps with numbers in their names are not read in the order of these."""
    parts = [re.fullmatch(r"(.*?)(\d+)", step) for step in hr.steps]
    numbers = [int(part[2]) for part in parts if part is not None]
    if len({part[1] for part in parts if part is not None}) != 1 or len(numbers) < len(parts):
        return
    place = next((at for at, (one, next_) in enumerate(pairwise(numbers)) if one > next_), None)
    if place is not None:
        yield Problem(
            hr.path(place + 1),
            _(
                "steps are in the order of their names, not of the numbers in them: {before} comes "
                "before {after}. How sure scores are is found from neighbouring steps: name them "
                "with leading zeros",
                before=hr.steps[place],
                after=hr.steps[place + 1],
            ),
            fatal=False,
        )


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
