"""Joining sources to one record for each variable: in order of time, on one grid."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import xarray as xr

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import in_a_row, listed
from srwizard.base.i18n import translate as _
from srwizard.data.coordinates import Grid
from srwizard.data.missing_variable import no_such_variable
from srwizard.data.prepare.levels import depth_units, find_level, has_depths
from srwizard.data.prepare.masking import Masking
from srwizard.data.prepare.opening import open_source
from srwizard.data.prepare.record_faults import (
    check_consistent,
    check_grid,
    duplicate_time,
)
from srwizard.data.prepare.selection import TimeRange
from srwizard.data.prepare.source import SourceField, Step, Wanted
from srwizard.data.prepare.source_notes import notes_on_sources
from srwizard.data.prepare.surveying import survey_field, survey_mask
from srwizard.data.prepare.times import Moment


@dataclass(frozen=True)
class Record:
    """All steps of one variable, in order.

    Args:
        variable: its name in the sources.
        steps: in order of time.
        attributes: units, long_name, standard_name, as far as the sources have them.
        calendar: the CF calendar; empty where there is no time.
        depth: of the level that was taken; None where none was chosen.
        suffix: what tells it from the same variable at other depths, e.g. `_100m`.
    """

    variable: str
    steps: tuple[Step, ...]
    attributes: Mapping[str, str]
    calendar: str
    depth: float | None = None
    suffix: str = ""


@dataclass(frozen=True)
class Survey:
    """What the sources hold: equal times on one grid for every variable.

    Args:
        grid: the grid of the sources, not cropped.
        records: source variable, with its suffix -> its record.
        notes: what the user should know about the reading.
        climatology: whether the steps are those of a mean year.
    """

    grid: Grid
    records: Mapping[str, Record]
    notes: tuple[str, ...]
    climatology: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the first variable; those of the others are at the same times."""
        return next(iter(self.records.values())).steps

    @property
    def calendar(self) -> str:
        """The CF calendar of the times; empty where there are none."""
        return next(iter(self.records.values())).calendar


def survey_sources(
    sources: Sequence[Path],
    variables: Sequence[str],
    opened: Callable[[int, int], None],
    *,
    depths: Sequence[float] = (),
    time: TimeRange | None = None,
    masking: Masking | None = None,
) -> Survey:
    """Open every source once, read its coordinates and put the steps in order.

    Args:
        sources: NetCDF files and Zarr stores; a variable may be spread over any of them.
        variables: names of variables in the sources.
        opened: told (sources done, sources in all).
        depths: levels to take; with several, records are called `temp_0m`, `temp_100m`, ...
        time: steps to take.
        masking: what is missing besides what the sources declare; None: nothing.

    Raises:
        UsageError: a source is missing or of another kind; a variable is in no source.
        DatasetError: grids, times, units or calendars do not go together; times occur twice;
            a variable has another dimension; there is no step.
    """
    masking = masking or Masking()
    fields: dict[Wanted, list[SourceField]] = {}
    wanted: dict[str, list[Wanted]] = {}
    known: dict[str, tuple[str, ...]] = {}
    grid: tuple[Grid, SourceField] | None = None
    # Companion files of macOS are passed over, and told of where there is nothing else.
    sources = [path for path in sources if not path.name.startswith("._")] or sources
    for done, path in enumerate(sources, start=1):
        with open_source(path) as source:
            present = {
                variable: found
                for variable in variables
                if (found := source.find(variable)) is not None
            }
            if not present:
                raise no_such_variable(variables[0], source.described_fields(), path)
            if len(present) < len(variables):
                known |= source.described_fields()
            for variable, found in present.items():
                if variable not in wanted:
                    wanted[variable] = _levels(variable, depths, *found)
                for each in wanted[variable]:
                    field, its_grid = survey_field(source, variable, each.depth, masking.missing)
                    at = _mask_depth(each, *found)
                    field = survey_mask(field, its_grid, source, masking, at)
                    fields.setdefault(each, []).append(field)
                    grid = grid or (its_grid, field)
                    check_grid(grid, its_grid, field)
        opened(done, len(sources))
    for variable in variables:
        if variable not in wanted:
            raise no_such_variable(variable, dict(sorted(known.items())), None)
    assert grid is not None
    in_order = {each: fields[each] for variable in variables for each in wanted[variable]}
    return _assemble(grid[0], in_order, time)


def check_depths_used(depths: Sequence[float], records: Mapping[str, Record]) -> None:
    """Refuse depths where no variable has any.

    Raises:
        DatasetError: none has.
    """
    if depths and all(record.depth is None for record in records.values()):
        raise DatasetError(
            _("None of the variables has a depth to choose from: {names}.",
              names=listed(records)),
            _("Leave --depth (data.prepare.depth) out."),
        )  # fmt: skip


def _mask_depth(wanted: Wanted, dataset: xr.Dataset, name: str) -> float | None:
    """Return the depth at which a mask of several levels holds for a variable.

    What has no depth itself, as the height of the sea surface, is at the surface.
    """
    if wanted.depth is None and find_level(dataset, dataset[name]) is None:
        return 0.0
    return wanted.depth


def _levels(variable: str, depths: Sequence[float], dataset: xr.Dataset, name: str) -> list[Wanted]:
    """Return `variable` at each depth, in the order given; as it is where it has no levels.

    Args:
        variable: as it is called.
        depths: that are wanted.
        dataset, name: where it is, and its name there.
    """
    dimension = find_level(dataset, dataset[name])
    if dimension and dataset.sizes[dimension] == 1 and not has_depths(dataset, dimension):
        dimension = None  # a single level, of which nothing is known
    if dimension is None or len(depths) < 2:
        return [Wanted(variable, depths[0] if depths and dimension is not None else None)]
    units = re.sub(r"[^A-Za-z]", "", depth_units(dataset, dimension) or "m")
    return [Wanted(variable, depth, f"_{depth:g}{units}") for depth in depths]


def _assemble(
    grid: Grid, fields: Mapping[Wanted, Sequence[SourceField]], time: TimeRange | None
) -> Survey:
    every_field = [field for series in fields.values() for field in series]
    timed = any(field.axes.time.moments is not None for field in every_field)
    if time is not None and not timed:
        problem = every_field[0].axes.time.problem
        raise DatasetError(
            in_a_row([
                _("No range of times can be chosen: the sources have no usable time coordinate."),
                *([_("{problem}.", problem=problem)] if problem else []),
            ]),
            _("Leave --time out, or add a time with units such as days since 2000-01-01."),
        )  # fmt: skip
    records = {
        each.variable + each.suffix: _record(each, series, timed, time)
        for each, series in fields.items()
    }
    _check_same_times(records)
    return Survey(
        grid, records, notes_on_sources(grid, fields, timed), every_field[0].axes.time.climatology
    )


def _record(
    wanted: Wanted, series: Sequence[SourceField], timed: bool, time: TimeRange | None
) -> Record:
    """Join the fields of one variable from several files into one record."""
    first = series[0]
    check_consistent(series)
    steps = tuple(
        Step(field, index, field.axes.time.moments[index] if field.axes.time.moments else None)
        for field in series
        for index in range(field.steps)
    )
    if timed:
        steps = tuple(step for step in steps if step.moment is not None)
    if not steps:
        raise DatasetError(
            _("{variable} has no time step in {path}.", variable=first.variable, path=first.path),
            _("Give files that hold time steps of it."),
        )
    depth = None if first.axes.level is None else first.axes.level[2]
    if not timed:
        untimed = tuple(replace(step, moment=None) for step in steps)
        return Record(first.variable, untimed, first.attributes, "", depth, wanted.suffix)
    every = sorted(steps, key=_moment)
    ordered = [step for step in every if time is None or time.holds(_moment(step))]
    if not ordered:
        raise DatasetError(
            _("No step of {variable} lies in the range of times: the sources reach from {first} "
              "to {last}.", variable=first.variable,
              first=_moment(every[0]).extended(), last=_moment(every[-1]).extended()),
            _("Choose another --time."),
        )  # fmt: skip
    for earlier, later in pairwise(ordered):
        if _moment(earlier) == _moment(later):
            raise duplicate_time(earlier, later)
    calendar = next(field.axes.time.calendar for field in series if field.axes.time.moments)
    return Record(first.variable, tuple(ordered), first.attributes, calendar, depth, wanted.suffix)


def _moment(step: Step) -> Moment:
    assert step.moment is not None
    return step.moment


def _check_same_times(records: Mapping[str, Record]) -> None:
    (reference, expected), *others = records.items()
    times = [step.moment for step in expected.steps]
    for variable, record in others:
        if [step.moment for step in record.steps] == times:
            continue
        raise DatasetError(
            _("{variable} and {reference} are not at the same times (numbers of steps: {steps} "
              "and {expected}).",
              variable=variable, steps=len(record.steps),
              reference=reference, expected=len(times)),
            _("Give sources in which every variable has the same times."),
        )  # fmt: skip
