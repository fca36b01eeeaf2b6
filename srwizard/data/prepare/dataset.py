"""Make a dataset directory of low/high-resolution pairs from NetCDF files.

The high-resolution fields are the sources, cropped to a multiple of the scale; the low-resolution
fields are their block means. One step is in memory at a time, whatever the length of the record.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt

from srwizard import __version__
from srwizard.data.layout import SPLITS, Layout
from srwizard.data.prepare.grid import block_mean, cell_weights, divisible_shape
from srwizard.data.prepare.manifest import (
    Crop,
    FieldTally,
    Manifest,
    PreparedSplit,
    PreparedVariable,
    notes_on,
)
from srwizard.data.prepare.record import Survey, survey_sources
from srwizard.data.prepare.source import Step, StepReader
from srwizard.data.prepare.target import MANIFEST_NAME, check_target, staged_directory
from srwizard.data.prepare.write import (
    RESERVED_NAMES,
    SPLIT_WRITERS,
    Content,
    SplitSteps,
    write_statics,
)
from srwizard.errors import DatasetError, UsageError
from srwizard.files import write_json
from srwizard.i18n import translate as _

Split = tuple[float, float, float]
Progress = Callable[[str, int, int], None]
"""(stage, done, total); the stages are open (files), then train, valid and test (fields)."""

SPLIT_SUM_TOLERANCE = 1e-6


def parse_split(text: str) -> Split:
    """Read "0.7/0.15/0.15", the shares of train, valid and test.

    Raises:
        UsageError: not three numbers above 0 that sum to 1.
    """
    try:
        shares = [float(part) for part in text.split("/")]
    except ValueError:
        shares = []
    if len(shares) != 3:
        raise UsageError(
            _("The split {split} is not three numbers.", split=text),
            _("Write the shares of train, valid and test, e.g. 0.7/0.15/0.15."),
        )
    split = (shares[0], shares[1], shares[2])
    _check_split(split)
    return split


def prepare(
    sources: Sequence[Path],
    *,
    variables: Mapping[str, str],
    scale: int,
    split: Split,
    out: Path,
    fmt: Layout = "npy",
    area_weights: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Manifest:
    """Make the dataset directory `out` from NetCDF files; it appears whole or not at all.

    Args:
        sources: NetCDF-3 or NetCDF-4 files, in any order; steps are ordered by their time.
        variables: variable in the sources -> its name in the dataset.
        scale: HR cells of an LR cell along each direction, 2 or more.
        split: shares of train, valid and test, in the order of time.
        out: the dataset directory to make.
        fmt: `npy` (one file per step), `h5` or `nc` (one file per split).
        area_weights: weigh HR cells by the cosine of their latitude.
        overwrite: replace a dataset that is there, once the new one is complete.
        progress: told (stage, done, total); see `Progress`.

    Returns:
        What was done, as in `out`/manifest.json.

    Raises:
        UsageError: an argument, a source or the directory cannot be used.
        DatasetError: the sources do not make a dataset: grids, times or units do not go together,
            a variable has another dimension, there are too few steps or no values.
    """
    sources = [Path(source) for source in sources]
    _check_arguments(sources, variables, scale, split, fmt)
    check_target(out, overwrite=overwrite, sources=sources)
    report = progress or _report_nothing
    survey = survey_sources(
        sources, list(variables), lambda done, total: report("open", done, total)
    )
    parts = _divide(survey.steps, split)
    hr_grid = survey.grid.cropped(divisible_shape(survey.grid.shape, scale))
    weights = cell_weights(hr_grid) if area_weights else None
    content = Content(
        grids={"hr": hr_grid, "lr": hr_grid.coarsened(scale)},
        attributes={name: survey.records[key].attributes for key, name in variables.items()},
        calendar=survey.calendar,
    )
    with staged_directory(out, overwrite=overwrite, sources=sources) as stage:
        write_statics(stage, content.grids)
        tallies = {name: FieldTally(hr_grid.shape) for name in variables.values()}
        pairs = _PairWriter(stage, fmt, content, scale, weights, tallies)
        with StepReader() as reader:
            for split_name, part in parts.items():
                records = {name: survey.records[key].steps[part] for key, name in variables.items()}
                pairs.write(_named(split_name, part, survey), records, reader, report)
        manifest = Manifest(
            srwizard_version=__version__,
            sources=tuple(str(source.resolve()) for source in sources),
            format=fmt,
            scale=scale,
            method="block mean, weighted by cos(latitude)" if area_weights else "block mean",
            hr_shape=hr_grid.shape,
            lr_shape=content.grids["lr"].shape,
            crop=Crop.between(survey.grid.shape, hr_grid.shape),
            calendar=survey.calendar,
            fractions=split,
            splits=_prepared_splits(parts, survey, tallies),
            variables={
                name: PreparedVariable.counted(key, content.attributes[name], tallies[name])
                for key, name in variables.items()
            },
            notes=(*survey.notes, *notes_on(survey.grid.shape, hr_grid.shape, tallies)),
        )
        write_json(stage / MANIFEST_NAME, manifest.to_json())
    return manifest


@dataclass(frozen=True)
class _PairWriter:
    """Writes HR fields and their block means, and tallies them, split by split."""

    root: Path
    fmt: Layout
    content: Content
    scale: int
    weights: npt.NDArray[np.float64] | None
    tallies: Mapping[str, FieldTally]

    def write(
        self,
        steps: SplitSteps,
        records: Mapping[str, Sequence[Step]],
        reader: StepReader,
        report: Progress,
    ) -> None:
        """Write one split of every variable (name in the dataset -> its steps)."""
        rows, columns = self.content.grids["hr"].shape
        total, done = len(records) * len(steps.names), 0
        with SPLIT_WRITERS[self.fmt](self.root, self.content, steps) as write:
            for name, record in records.items():
                for position, field in enumerate(reader.fields(record)):
                    hr = np.ascontiguousarray(field[:rows, :columns])
                    lr = block_mean(hr, self.scale, self.weights).astype(np.float32)
                    write("hr", name, position, hr)
                    write("lr", name, position, lr)
                    self.tallies[name].add(steps.split, hr)
                    done += 1
                    report(steps.split, done, total)
                _check_values(steps.split, name, self.tallies[name])


def _report_nothing(stage: str, done: int, total: int) -> None:
    """Stand in for a caller that wants no progress."""


def _check_arguments(
    sources: Sequence[Path],
    variables: Mapping[str, str],
    scale: int,
    split: Split,
    fmt: str,
) -> None:
    if not sources:
        raise UsageError(_("No source is given."), _("Name at least one NetCDF file."))
    if not variables:
        raise UsageError(_("No variable is given."), _("Name at least one variable."))
    if fmt not in get_args(Layout):
        raise UsageError(
            _("The format {format} is not known.", format=fmt),
            _("Choose one of: {formats}.", formats=", ".join(get_args(Layout))),
        )
    if scale < 2:
        raise UsageError(
            _("The scale {scale} is less than 2.", scale=scale),
            _("Choose a whole number of 2 or more."),
        )
    _check_split(split)
    _check_names(variables)


def _check_names(variables: Mapping[str, str]) -> None:
    """Refuse names that cannot be directories and HDF5 datasets beside each other."""
    names = list(variables.values())
    for name in names:
        if not re.fullmatch(r"\w[\w.-]*", name) or name in RESERVED_NAMES:
            raise UsageError(
                _("{name} cannot be the name of a variable in the dataset.", name=repr(name)),
                _("Use letters, digits, _, . and -, and none of: {reserved}.",
                  reserved=", ".join(sorted(RESERVED_NAMES))),
            )  # fmt: skip
        if names.count(name) > 1:
            raise UsageError(
                _("Two variables have the name {name}.", name=name),
                _("Give each variable a name of its own."),
            )


def _check_split(split: Split) -> None:
    sound = all(math.isfinite(share) and share > 0 for share in split)
    if not sound or not math.isclose(sum(split), 1.0, abs_tol=SPLIT_SUM_TOLERANCE):
        raise UsageError(
            _("The split {split} is not three numbers above 0 that sum to 1.",
              split="/".join(f"{share:g}" for share in split)),
            _("Write the shares of train, valid and test, e.g. 0.7/0.15/0.15."),
        )  # fmt: skip


def _divide(steps: Sequence[Step], split: Split) -> dict[str, slice]:
    """Cut the steps, in order of time, into train, valid and test.

    Raises:
        DatasetError: a part would have no step.
    """
    # As fractions, so that 0.7 + 0.15 of 10 steps is 8.5 exactly on every machine.
    shares = [Fraction(str(share)) for share in split]
    bounds = [
        0,
        *(math.floor(sum(shares[:n]) * len(steps) + Fraction(1, 2)) for n in (1, 2)),
        len(steps),
    ]
    parts = dict(zip(SPLITS, map(slice, bounds, bounds[1:]), strict=False))
    empty = [name for name, part in parts.items() if part.start >= part.stop]
    if empty:
        hint = (
            _("Give more steps, or shares that are more alike, e.g. 0.34/0.33/0.33.")
            if len(steps) >= len(SPLITS)
            else _("Give files that hold at least three time steps together.")
        )
        raise DatasetError(
            _("Of {steps} steps, the split {split} leaves none for {empty}.",
              steps=len(steps), split="/".join(f"{share:g}" for share in split),
              empty=", ".join(empty)),
            hint,
        )  # fmt: skip
    return parts


def _named(split: str, part: slice, survey: Survey) -> SplitSteps:
    steps = survey.steps[part]
    names = [
        f"{part.start + number:06d}" if step.moment is None else step.moment.basic()
        for number, step in enumerate(steps)
    ]
    return SplitSteps(split, names, [step.moment for step in steps])


def _prepared_splits(
    parts: Mapping[str, slice], survey: Survey, tallies: Mapping[str, FieldTally]
) -> dict[str, PreparedSplit]:
    prepared = {}
    for split, part in parts.items():
        steps = survey.steps[part]
        first, last = (
            f"{index:06d}" if step.moment is None else step.moment.extended()
            for index, step in ((part.start, steps[0]), (part.stop - 1, steps[-1]))
        )
        ranges = {variable: tally.ranges[split] for variable, tally in tallies.items()}
        prepared[split] = PreparedSplit(len(steps), first, last, ranges)
    return prepared


def _check_values(split: str, variable: str, tally: FieldTally) -> None:
    if split not in tally.ranges:
        raise DatasetError(
            _("{variable} has no value in any step of {split}: all is missing.",
              variable=variable, split=split),
            _("Look at the sources, e.g. with ncview; is it the right variable?"),
        )  # fmt: skip
