"""What keeps fields of several files from being one record."""

from collections.abc import Sequence

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.coordinates import Grid
from srwizard.data.prepare.source import SourceField, Step
from srwizard.data.prepare.times import have_same_dates
from srwizard.data.prepare.units import same_units


def check_grid(first: tuple[Grid, SourceField], grid: Grid, field: SourceField) -> None:
    """Refuse a field on another grid than the first one.

    Raises:
        DatasetError: it is.
    """
    expected, reference = first
    if not expected.matches(grid):
        raise DatasetError(
            _("{variable} in {path} is on a different grid ({rows} x {columns}) from {other} in "
              "{reference} ({other_rows} x {other_columns}), or its longitudes and latitudes "
              "differ.",
              variable=field.variable, path=field.path, rows=grid.shape[0], columns=grid.shape[1],
              other=reference.variable, reference=reference.path,
              other_rows=expected.shape[0], other_columns=expected.shape[1]),
            _("Name files of one grid only (coarser ones can be given as --lr-source), or "
              "interpolate all variables and files to one grid first, e.g. with cdo remapbil."),
        )  # fmt: skip


def check_consistent(series: Sequence[SourceField]) -> None:
    """Refuse files whose values or times cannot be put into one record.

    Raises:
        DatasetError: their units or calendars differ.
    """
    first = series[0]
    for field in series[1:]:
        units = {one.attributes.get("units"): one.path for one in (first, field)}
        if None in units and len(units) == 2:
            (known,) = units.keys() - {None}
            raise DatasetError(
                _("{variable} has no units in {path} but {units} in {other}.",
                  variable=first.variable, path=units[None], units=known, other=units[known]),
                _("Add the attribute, e.g. with ncatted -a units,{variable},o,c,{units} {path}",
                  variable=first.variable, units=known, path=units[None]),
            )  # fmt: skip
        if not same_units(field.attributes.get("units"), first.attributes.get("units")):
            raise DatasetError(
                _("{variable} has units {units} in {path} but {first_units} in {first}.",
                  variable=first.variable, units=field.attributes.get("units"), path=field.path,
                  first_units=first.attributes.get("units"), first=first.path),
                _("Convert the files to the same units first."),
            )  # fmt: skip
    timed = [field for field in series if field.axes.time.moments is not None]
    for field in timed[1:]:
        calendars = {field.axes.time.calendar, timed[0].axes.time.calendar}
        if not have_same_dates(calendars):
            raise DatasetError(
                _("The times in {path} are in calendar {calendar}, those in {first} in {other}.",
                  path=field.path, calendar=field.axes.time.calendar,
                  first=timed[0].path, other=timed[0].axes.time.calendar),
                _("Give files of one record only."),
            )  # fmt: skip


def duplicate_time(earlier: Step, later: Step) -> DatasetError:
    """Say that two steps are at the same time."""
    paths = (earlier.source.path, later.source.path)
    where = (
        _(
            "twice in {path}: in its steps {first} and {second}, counted from 0",
            path=paths[0],
            first=earlier.index,
            second=later.index,
        )
        if paths[0] == paths[1]
        else _("in {first} and in {second}", first=paths[0], second=paths[1])
    )
    time = "" if earlier.moment is None else earlier.moment.extended()
    return DatasetError(
        _("The time {time} of {variable} occurs {where}.",
          time=time, variable=earlier.source.variable, where=where),
        _("Give each time step once: leave one of the files out, or cut the overlap."),
    )  # fmt: skip
