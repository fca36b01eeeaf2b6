"""Joining sources to one record for each variable: in order of time, on one grid."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from srwizard.data.prepare.cf import Moment
from srwizard.data.prepare.grid import Grid
from srwizard.data.prepare.source import (
    SourceField,
    Step,
    field_names,
    open_netcdf,
    survey_field,
)
from srwizard.errors import DatasetError, UsageError
from srwizard.i18n import translate as _

_SAME_DATES = {"standard", "gregorian", "proleptic_gregorian"}


@dataclass(frozen=True)
class Record:
    """All steps of one variable, in order."""

    steps: tuple[Step, ...]
    attributes: Mapping[str, str]
    calendar: str


@dataclass(frozen=True)
class Survey:
    """What the sources hold: equal times on one grid for every variable.

    Args:
        grid: the grid of the sources, not cropped.
        records: source variable -> its record.
        notes: what the user should know about the reading.
    """

    grid: Grid
    records: Mapping[str, Record]
    notes: tuple[str, ...]

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
) -> Survey:
    """Open every source once, read its coordinates and put the steps in order.

    Args:
        sources: NetCDF files; a variable may be spread over any of them.
        variables: names of variables in the sources.
        opened: told (files done, files in all).

    Raises:
        UsageError: a source is missing or not NetCDF; a variable is in no source.
        DatasetError: grids, times, units or calendars do not go together; times occur twice;
            a variable has another dimension; there is no step.
    """
    fields: dict[str, list[SourceField]] = {variable: [] for variable in variables}
    known: set[str] = set()
    grid: tuple[Grid, SourceField] | None = None
    for done, path in enumerate(sources, start=1):
        with open_netcdf(path) as dataset:
            present = [variable for variable in variables if variable in dataset.variables]
            known.update(field_names(dataset))
            if not present:
                raise _no_such_variable(variables[0], field_names(dataset), path)
            for variable in present:
                field, its_grid = survey_field(dataset, variable, path)
                fields[variable].append(field)
                grid = grid or (its_grid, field)
                _check_grid(grid, its_grid, field)
        opened(done, len(sources))
    for variable in variables:
        if not fields[variable]:
            raise _no_such_variable(variable, sorted(known), None)
    assert grid is not None
    return _assemble(grid[0], fields)


def _check_grid(first: tuple[Grid, SourceField], grid: Grid, field: SourceField) -> None:
    expected, reference = first
    if not expected.matches(grid):
        raise DatasetError(
            _("{variable} in {path} is on another grid ({rows} x {columns}) than {other} in "
              "{reference} ({other_rows} x {other_columns}), or its longitudes and latitudes "
              "differ.",
              variable=field.variable, path=field.path, rows=grid.shape[0], columns=grid.shape[1],
              other=reference.variable, reference=reference.path,
              other_rows=expected.shape[0], other_columns=expected.shape[1]),
            _("Bring every variable and file onto one grid first, e.g. with cdo remapbil."),
        )  # fmt: skip


def _assemble(grid: Grid, fields: Mapping[str, Sequence[SourceField]]) -> Survey:
    every_field = [field for series in fields.values() for field in series]
    timed = all(field.axes.time.moments is not None for field in every_field)
    records = {variable: _record(series, timed) for variable, series in fields.items()}
    _check_same_times(records)
    notes = []
    if not timed:
        notes.append(
            _("No usable time coordinate was found: steps are named by their index, in the order "
              "of the sources.")
        )  # fmt: skip
    squeezed = sorted({name for field in every_field for name in field.axes.squeezed})
    if squeezed:
        notes.append(_("Dimensions of length 1 were dropped: {names}.", names=", ".join(squeezed)))
    if grid.latitude is None or grid.longitude is None:
        notes.append(
            _("The sources have no longitude and latitude in degrees for this grid: "
              "static_variables is not complete.")
        )  # fmt: skip
    return Survey(grid, records, tuple(notes))


def _record(series: Sequence[SourceField], timed: bool) -> Record:
    """Join the fields of one variable from several files into one record."""
    first = series[0]
    _check_consistent(series)
    steps = tuple(
        Step(field, index, field.axes.time.moments[index] if field.axes.time.moments else None)
        for field in series
        for index in range(field.steps)
    )
    if not steps:
        raise DatasetError(
            _("{variable} has no time step in {path}.", variable=first.variable, path=first.path),
            _("Give files that hold at least three time steps together."),
        )
    if not timed:
        return Record(tuple(replace(step, moment=None) for step in steps), first.attributes, "")
    ordered = sorted(steps, key=_moment)
    for earlier, later in pairwise(ordered):
        if _moment(earlier) == _moment(later):
            raise _duplicate_time(earlier, later)
    return Record(tuple(ordered), first.attributes, first.axes.time.calendar)


def _moment(step: Step) -> Moment:
    assert step.moment is not None
    return step.moment


def _check_consistent(series: Sequence[SourceField]) -> None:
    """Refuse files whose values or times cannot be put into one record."""
    first = series[0]
    for field in series[1:]:
        if field.attributes.get("units") != first.attributes.get("units"):
            raise DatasetError(
                _("{variable} has units {units} in {path} but {first_units} in {first}.",
                  variable=first.variable, units=field.attributes.get("units"), path=field.path,
                  first_units=first.attributes.get("units"), first=first.path),
                _("Convert the files to the same units first."),
            )  # fmt: skip
        calendars = {field.axes.time.calendar, first.axes.time.calendar}
        if len(calendars) > 1 and not calendars <= _SAME_DATES and "" not in calendars:
            raise DatasetError(
                _("The times in {path} are in calendar {calendar}, those in {first} in {other}.",
                  path=field.path, calendar=field.axes.time.calendar,
                  first=first.path, other=first.axes.time.calendar),
                _("Give files of one record only."),
            )  # fmt: skip


def _duplicate_time(earlier: Step, later: Step) -> DatasetError:
    paths = (earlier.source.path, later.source.path)
    where = (
        _("twice in {path}", path=paths[0])
        if paths[0] == paths[1]
        else _("in {first} and in {second}", first=paths[0], second=paths[1])
    )
    return DatasetError(
        _("The time {time} of {variable} occurs {where}.",
          time=_moment(earlier).extended(), variable=earlier.source.variable, where=where),
        _("Give each time step once: leave one of the files out, or cut the overlap."),
    )  # fmt: skip


def _check_same_times(records: Mapping[str, Record]) -> None:
    (reference, expected), *others = records.items()
    times = [step.moment for step in expected.steps]
    for variable, record in others:
        if [step.moment for step in record.steps] == times:
            continue
        raise DatasetError(
            _("{variable} has {steps} steps and {reference} has {expected}, or they are at "
              "different times.",
              variable=variable, steps=len(record.steps),
              reference=reference, expected=len(times)),
            _("Give sources in which every variable has the same times."),
        )  # fmt: skip


def _no_such_variable(variable: str, available: Sequence[str], path: Path | None) -> UsageError:
    nearest = difflib.get_close_matches(variable, available, n=1, cutoff=0.5)
    message = (
        _("No source has a variable {variable}.", variable=variable)
        if path is None
        else _("{path} has no variable {variable}.", path=path, variable=variable)
    )
    listing = _("Available: {names}.", names=", ".join(available) or _("none"))
    if nearest:
        listing = _("Did you mean {name}?", name=nearest[0]) + " " + listing
    return UsageError(message, listing)
