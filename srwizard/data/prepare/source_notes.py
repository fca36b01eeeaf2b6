"""What a user should know about the reading of sources: levels, times, dimensions, the grid."""

from collections import Counter
from collections.abc import Mapping, Sequence

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.base.visible import in_one_line
from srwizard.data.coordinates import Grid
from srwizard.data.prepare.source import SourceField, Wanted
from srwizard.data.prepare.times import have_same_dates


def notes_on_sources(
    grid: Grid, fields: Mapping[Wanted, Sequence[SourceField]], timed: bool
) -> tuple[str, ...]:
    """Return the notes.

    Args:
        grid: of all fields.
        fields: of each variable, in the order of the sources.
        timed: whether any of them has times.

    Raises:
        DatasetError: a variable has other levels in other sources.
    """
    every_field = [field for series in fields.values() for field in series]
    notes = [*_level_notes(fields), *_time_notes(every_field, timed)]
    squeezed = sorted({name for field in every_field for name in field.axes.squeezed})
    if squeezed:
        notes.append(_("Dimensions of length 1 were dropped: {names}.", names=listed(squeezed)))
    if grid.latitude is None or grid.longitude is None:
        notes.append(
            _("The sources have no longitude and latitude in degrees for this grid.")
        )  # fmt: skip
    return tuple(notes)


def _time_notes(fields: Sequence[SourceField], timed: bool) -> list[str]:
    """Say which times are missing, or mean something else than dates, and why."""
    if not timed:
        name, problem = in_one_line(fields[0].path.name), fields[0].axes.time.problem
        return [
            _("No usable time coordinate was found: steps are named by their index, in the order "
              "of the sources.") + (f" {name}: {problem}." if problem else "")
        ]  # fmt: skip
    # Several variables of one file have the same times.
    of_files = {field.path: field for field in fields}
    notes = []
    for path, field in of_files.items():
        axis = field.axes.time
        if axis.moments is None:
            notes.append(
                _("{path} was left out: the other sources have times, but those of this one "
                  "cannot be used ({reason}).",
                  path=path, reason=axis.problem or _("no time coordinate"))
            )  # fmt: skip
            continue
        missing = [str(index) for index, moment in enumerate(axis.moments) if moment is None]
        if missing:
            notes.append(
                _("{path}: the time of step {steps} is missing (counted from 0); steps without "
                  "a time were left out.", path=path, steps=listed(missing))
            )  # fmt: skip
    if fields[0].axes.time.climatology:
        notes.append(
            _("The times are those of a climatology, a mean year: the splits are different parts "
              "of the year, not different years.")
        )  # fmt: skip
    return notes


def _level_notes(fields: Mapping[Wanted, Sequence[SourceField]]) -> list[str]:
    notes = []
    for each, series in fields.items():
        level, units = series[0].axes.level, series[0].axes.level_units
        if level is None:
            continue
        if any(field.axes.level is None or field.axes.level[2] != level[2] for field in series):
            raise DatasetError(
                _("The levels of {variable} differ between the sources.", variable=each.variable),
                _("Give sources with the same levels."),
            )
        if f"{level[2]:g}" == f"{each.depth:g}":
            continue
        notes.append(
            _("{variable}: the level at {found} was taken for the depth {wanted}.",
              variable=each.variable, found=f"{level[2]:g} {units}".strip(),
              wanted=f"{each.depth:g} {units}".strip())
        )  # fmt: skip
    return notes


def time_problem(fields: Sequence[SourceField]) -> str:
    """Return what keeps times of a variable from being used, in few words; empty for nothing."""
    for one in fields:
        if one.axes.time.moments is None and one.axes.time.problem:
            return f"{in_one_line(one.path.name)}: {one.axes.time.problem}"
    timed = [one for one in fields if one.axes.time.moments is not None]
    calendars = {one.axes.time.calendar for one in timed}
    if not have_same_dates(calendars):
        return _("calendars that differ: {calendars}", calendars=listed(sorted(calendars)))
    times = Counter(moment for one in timed for moment in one.axes.time.moments or ())
    missing = times.pop(None, 0)
    twice = [moment for moment, count in times.items() if count > 1 and moment is not None]
    if twice:
        return _n(
            "{time} occurs more than once",
            "{count} times occur more than once, the first {time}",
            len(twice),
            count=len(twice),
            time=min(twice).extended(),
        )
    if missing:
        return _n("{count} time is missing", "{count} times are missing", missing, count=missing)
    return ""
