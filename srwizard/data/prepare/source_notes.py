"""What a user should know about the reading of sources: levels, times, dimensions, the grid."""

from collections.abc import Mapping, Sequence

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_one_line
from srwizard.data.prepare.grid import Grid
from srwizard.data.prepare.source import SourceField, Wanted


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
        notes.append(_("Dimensions of length 1 were dropped: {names}.", names=", ".join(squeezed)))
    if grid.latitude is None or grid.longitude is None:
        notes.append(
            _("The sources have no longitude and latitude in degrees for this grid: "
              "static_variables is not complete.")
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
                  "a time were left out.", path=path, steps=", ".join(missing))
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
        notes.append(
            _("{variable}: the level at {found} was taken for the depth {wanted}.",
              variable=each.variable, found=f"{level[2]:g} {units}".strip(),
              wanted=f"{each.depth:g} {units}".strip())
        )  # fmt: skip
    return notes
