"""Which part of the sources is wanted: region, time range, depth levels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.data.coordinates import FloatArray, Grid, Window
from srwizard.data.longitudes import goes_on_at_its_beginning, repeats_its_beginning
from srwizard.data.prepare.grid_order import longitudes_out_of_order
from srwizard.data.prepare.times import Moment

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER})")
_DATE = r"\d{4}(?:-\d\d(?:-\d\d(?:T\d\d(?::\d\d(?::\d\d)?)?)?)?)?"
_TIMES = re.compile(rf"({_DATE})?[:/]({_DATE})?")
# Rounded coordinates such as 9.9999 shall count as the 10 that was asked for.
EDGE_DEGREES = 1e-4


@dataclass(frozen=True)
class TimeRange:
    """From the begin of `first` to the end of `last`, both as far as they are given.

    Args:
        first, last: (year), (year, month), ... ; empty where the range is open.
    """

    first: tuple[int, ...] = ()
    last: tuple[int, ...] = ()

    def holds(self, moment: Moment) -> bool:
        """Say whether `moment` lies in the range, in the calendar of the record."""
        after = not self.first or tuple(moment)[: len(self.first)] >= self.first
        return after and (not self.last or tuple(moment)[: len(self.last)] <= self.last)


@dataclass(frozen=True)
class Selection:
    """What is taken of the sources; everything where nothing is said.

    Args:
        longitude: degrees east, from west to east; the first may be larger (170 to -170).
        latitude: degrees north, from south to north.
        time: the steps that are taken.
    """

    longitude: tuple[float, float] | None = None
    latitude: tuple[float, float] | None = None
    time: TimeRange | None = None


def parse_longitudes(text: str) -> tuple[float, float]:
    """Read "A:B", from west to east: 170:-170 crosses the date line.

    Raises:
        UsageError: not two numbers between -360 and 360.
    """
    bounds = _bounds(text)
    if bounds is None or not all(-360 <= bound <= 360 for bound in bounds):
        raise UsageError(
            _("The longitudes {text} are not two numbers of degrees.", text=text),
            _("Write them from west to east, e.g. 120:240 or, across the date line, 170:-170."),
        )
    if bounds[0] == bounds[1]:
        raise UsageError(
            _("The longitudes {text} are one meridian, no range.", text=text),
            _("Write them from west to east, e.g. 120:240 or, across the date line, 170:-170."),
        )
    return bounds


def parse_latitudes(text: str) -> tuple[float, float]:
    """Read "A:B", degrees north, in either order.

    Raises:
        UsageError: not two different numbers between -90 and 90.
    """
    bounds = _bounds(text)
    if bounds is None or not all(-90 <= bound <= 90 for bound in bounds) or len({*bounds}) < 2:
        raise UsageError(
            _("The latitudes {text} are not two numbers between -90 and 90.", text=text),
            _("Write them from south to north, e.g. -10:45."),
        )
    return min(bounds), max(bounds)


def parse_times(text: str) -> TimeRange:
    """Read "2000-01:2010-12": both ends are taken whole, and either may be left out.

    Raises:
        UsageError: not two dates, or the second before the first.
    """
    match = _TIMES.fullmatch(text)
    hint = _("Write two dates as YYYY[-MM[-DD[Thh[:mm]]]], e.g. 2000-01:2010-12 or 1993:.")
    if match is None or not any(match.groups()):
        raise UsageError(_("{text} is not a range of times.", text=text), hint)
    first, last = (
        tuple(int(part) for part in re.findall(r"\d+", date or "")) for date in match.groups()
    )
    if not all(map(_is_date, (first, last))):
        raise UsageError(_("{text} is not a range of times.", text=text), hint)
    shared = min(len(first), len(last))
    if first[:shared] > last[:shared]:
        raise UsageError(_("The range {text} ends before it begins.", text=text), hint)
    return TimeRange(first, last)


def _is_date(parts: tuple[int, ...]) -> bool:
    """Return whether year, month, ... can be, as far as they are given, in some calendar."""
    limits = ((0, 9999), (1, 12), (1, 31), (0, 23), (0, 59), (0, 59))
    return all(low <= part <= high for part, (low, high) in zip(parts, limits, strict=False))


def parse_depths(text: str) -> tuple[float, ...]:
    """Read "0" or "0,100,500": depths in the unit of the sources' vertical coordinate.

    Raises:
        UsageError: not numbers, negative ones, or one of them twice.
    """
    try:
        depths = tuple(float(part) for part in text.split(","))
    except ValueError:
        depths = ()
    if not depths or not all(0 <= depth < float("inf") for depth in depths):
        raise UsageError(
            _("The depths {text} are not numbers of 0 or more.", text=text),
            _("Write one depth, or several separated by commas, e.g. 0,100,500."),
        )
    if len({*depths}) < len(depths):
        raise UsageError(
            _("The depths {text} name one twice.", text=text), _("Name each depth once.")
        )
    return depths


def window_of(grid: Grid, selection: Selection) -> tuple[Window, list[str]]:
    """Return the rows and columns of `grid` that the region takes, and what is to be noted.

    On a curvilinear grid that is the smallest block of rows and columns around the region.

    Raises:
        DatasetError: the grid has no usable longitude and latitude, or no cell in the region.
    """
    grid, notes = _without_repeated_meridian(grid)
    rows, columns = grid.shape
    if selection.longitude is None and selection.latitude is None:
        return Window(slice(0, rows), (slice(0, columns),)), notes
    for name, wanted, values in (
        (_("longitude"), selection.longitude, grid.longitude),
        (_("latitude"), selection.latitude, grid.latitude),
    ):
        if wanted is not None and values is None:
            raise DatasetError(
                _("The sources have no {name} in degrees: no region can be chosen.", name=name),
                _("Leave the region out, or add coordinates with CF units first."),
            )
    two_dimensional = any(
        values is not None and values.ndim == 2 for values in (grid.longitude, grid.latitude)
    )
    if two_dimensional:
        return _box(grid, selection)
    taken = slice(0, rows)
    if selection.latitude is not None and grid.latitude is not None:
        taken = _run(_within(grid.latitude, selection.latitude), _("latitude"))
    parts: tuple[slice, ...] = (slice(0, columns),)
    if selection.longitude is not None and grid.longitude is not None:
        parts = _columns(np.asarray(grid.longitude, np.float64), selection.longitude)
    return Window(taken, parts), notes


def _without_repeated_meridian(grid: Grid) -> tuple[Grid, list[str]]:
    """Leave out a last column that is the first one again, a turn further; tell so in a note."""
    longitude = grid.longitude
    if longitude is None or longitude.ndim != 1 or not repeats_its_beginning(longitude):
        return grid, []
    note = _(
        "The last column of the grid is the first one again (longitudes {first:g} and {last:g}): "
        "it was left out.",
        first=longitude[0],
        last=longitude[-1],
    )
    rows, columns = grid.shape
    return grid.windowed(Window(slice(0, rows), (slice(0, columns - 1),))), [note]


def reaches_around(grid: Grid) -> bool:
    """Say whether the last column of a grid is followed by its first one, around the globe."""
    longitude = _without_repeated_meridian(grid)[0].longitude
    if longitude is None:
        return False
    row = longitude if longitude.ndim == 1 else longitude[grid.shape[0] // 2]
    return longitudes_out_of_order(row) is None and goes_on_at_its_beginning(row)


def _bounds(text: str) -> tuple[float, float] | None:
    match = _RANGE.fullmatch(text.replace(" ", ""))
    return None if match is None else (float(match[1]), float(match[2]))


def _within(values: FloatArray, bounds: tuple[float, float]) -> npt.NDArray[np.bool_]:
    low, high = bounds
    found: npt.NDArray[np.bool_] = (values >= low - EDGE_DEGREES) & (values <= high + EDGE_DEGREES)
    return found


def _eastward(longitude: FloatArray, bounds: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Say which longitudes, in any convention, lie between `bounds`, eastward of the first."""
    west, east = bounds
    width = 360.0 if abs(east - west) >= 360 else (east - west) % 360.0
    offset = (np.asarray(longitude, np.float64) - west + EDGE_DEGREES) % 360.0
    found: npt.NDArray[np.bool_] = offset <= width + 2 * EDGE_DEGREES
    return found


def _run(inside: npt.NDArray[np.bool_], name: str) -> slice:
    """Return the one run of indices that are inside."""
    found = np.flatnonzero(inside)
    if not found.size:
        raise _nothing_inside()
    if found[-1] - found[0] + 1 != found.size:
        raise DatasetError(
            _("The {name} of the sources does not run in one direction.", name=name),
            _("Sort it first, e.g. with xarray's sortby."),
        )
    return slice(int(found[0]), int(found[-1]) + 1)


def _columns(longitude: FloatArray, bounds: tuple[float, float]) -> tuple[slice, ...]:
    """Return the columns between two longitudes, in two parts where they cross the array's seam."""
    inside = _eastward(longitude, bounds)
    if not inside.any():
        raise _nothing_inside()
    if inside.all():
        return _rotated(longitude, bounds)
    starts = np.flatnonzero(inside & ~np.roll(inside, 1))
    if len(starts) > 1:
        _run(inside, _("longitude"))
    start, count = int(starts[0]), int(inside.sum())
    over = start + count - len(longitude)
    if over <= 0:
        return (slice(start, start + count),)
    if not goes_on_at_its_beginning(longitude):
        raise DatasetError(
            _("The region {west}:{east} leaves the grid in the east and enters it again in the "
              "west: the sources do not reach around the globe.",
              west=bounds[0], east=bounds[1]),
            _("Choose longitudes that lie on one side of the gap."),
        )  # fmt: skip
    return slice(start, len(longitude)), slice(0, over)


def _rotated(longitude: FloatArray, bounds: tuple[float, float]) -> tuple[slice, ...]:
    """Return all columns; those of the globe begin at the western bound."""
    first = int(np.argmin((longitude - bounds[0] + EDGE_DEGREES) % 360.0))
    if first == 0 or not goes_on_at_its_beginning(longitude):
        return (slice(0, len(longitude)),)
    return slice(first, len(longitude)), slice(0, first)


def _box(grid: Grid, selection: Selection) -> tuple[Window, list[str]]:
    """Return the smallest block of a curvilinear grid that holds the region."""
    inside = np.ones(grid.shape, dtype=bool)
    if selection.latitude is not None and grid.latitude is not None:
        rows = _within(grid.latitude, selection.latitude)
        inside &= rows if rows.ndim == 2 else rows[:, None]
    if selection.longitude is not None and grid.longitude is not None:
        inside &= _eastward(grid.longitude, selection.longitude)
    if not inside.any():
        raise _nothing_inside()
    rows_inside, columns_inside = (
        _span(np.flatnonzero(inside.any(axis=axis))) for axis in (1, 0)
    )  # fmt: skip
    share = float(inside[rows_inside, columns_inside].mean())
    note = _(
        "The grid is curvilinear: rows {first_row} to {last_row} and columns {first_column} to "
        "{last_column} were taken, the smallest block around the region (share of its cells "
        "inside: {share:.2f}).",
        first_row=rows_inside.start,
        last_row=rows_inside.stop - 1,
        first_column=columns_inside.start,
        last_column=columns_inside.stop - 1,
        share=share,
    )
    return Window(rows_inside, (columns_inside,)), [note]


def _span(indices: Sequence[int] | npt.NDArray[np.intp]) -> slice:
    return slice(int(indices[0]), int(indices[-1]) + 1)


def _nothing_inside() -> DatasetError:
    return DatasetError(
        _("No cell of the sources lies in the region."),
        _("Check the sources' longitudes and latitudes, e.g. with ncdump -v lon,lat."),
    )
