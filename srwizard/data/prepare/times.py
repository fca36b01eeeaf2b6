"""Decoding time coordinates: by CF, and where files depart from it but mean something clear.

A file is opened without decoded times: `cftime` decodes them here, one way for every calendar.
"""

import re
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import cftime
import numpy as np
import numpy.typing as npt
import xarray as xr

from srwizard.base.i18n import translate as _
from srwizard.data.prepare.dates import (
    DATE,
    UnclearTimeError,
    are_dates,
    form_of_digits,
    from_digits,
    from_text,
    months_later,
    text_of,
)

_SINCE = re.compile(r"\s*(\w+)\s+since\s+(.+?)\s*", re.IGNORECASE)
_YEAR_ZERO = re.compile(r"0{1,4}-0*(\d+)-0*(\d+)(.*)")
_MONTHS = {"month": 1, "months": 1, "mon": 1, "year": 12, "years": 12, "yr": 12, "yrs": 12}
_AS_CF = {
    **dict.fromkeys(("week", "weeks", "wk", "wks"), ("days", 7.0)),
    **dict.fromkeys(("nanosecond", "nanoseconds", "nanosec", "ns"), ("microseconds", 1e-3)),
}
"""Units that cftime does not know -> those that it does, and how many of them one is."""
_FILL_VALUES = (-2147483647, -2147483648, -9223372036854775806, -9223372036854775808)
"""What NetCDF and NumPy put where no time was written; in floating point 9.97e36."""
_LARGEST = 1e30
_USUAL_FILL = re.compile(r"-?9{3,}|-9{3,}\.9+|-32767|-32768")
_WITH_YEAR_ZERO = "proleptic_gregorian"
_SAME_DATES = {"standard", "gregorian", "proleptic_gregorian"}
MONTHS_OF_A_YEAR = range(1, 13)


class Moment(NamedTuple):
    """A time to the second, in the calendar of its record; sorts chronologically."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int

    def basic(self) -> str:
        """Return the ISO 8601 basic form, e.g. 20060416T000000, which is safe as a file name."""
        date = f"{self.year:04d}{self.month:02d}{self.day:02d}"
        return f"{date}T{self.hour:02d}{self.minute:02d}{self.second:02d}"

    def extended(self) -> str:
        """Return the ISO 8601 extended form, e.g. 2006-04-16T00:00:00."""
        date = f"{self.year:04d}-{self.month:02d}-{self.day:02d}"
        return f"{date}T{self.hour:02d}:{self.minute:02d}:{self.second:02d}"


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Where a variable's steps are and when.

    Args:
        dimension: the time dimension; None for a variable of one step.
        moments: one for each step, None for a step whose time is missing; None where no
            coordinate says when.
        calendar: the CF calendar of `moments`.
        problem: why `moments` is None: coordinate, units and reason; empty where nothing looks
            like a time.
        climatology: whether the times are those of a mean year.
    """

    dimension: str | None
    moments: tuple[Moment | None, ...] | None
    calendar: str
    problem: str = ""
    climatology: bool = False


def have_same_dates(calendars: Collection[str]) -> bool:
    """Return whether dates of these calendars can stand in one record."""
    return len({*calendars}) < 2 or {*calendars} <= _SAME_DATES


def has_time_units(units: str) -> bool:
    """Return whether units are those of a time coordinate."""
    return _SINCE.fullmatch(units) is not None or form_of_digits(units) is not None


def is_month_number(name: str, coordinate: xr.Variable) -> bool:
    """Return whether a coordinate counts the months of a year that is not said, 1 to 12."""
    units = str(coordinate.attrs.get("units", "")).lower()
    if has_time_units(units):
        return False
    if "month" not in (name.lower(), units.removesuffix("s")) or coordinate.dtype.kind not in "iuf":
        return False
    values = np.atleast_1d(coordinate.values)
    return bool(np.isin(values, MONTHS_OF_A_YEAR).all()) and len({*values.tolist()}) == values.size


def is_text(coordinate: xr.Variable) -> bool:
    """Return whether a coordinate holds a text for each step, which begins like a date."""
    if coordinate.dtype.kind not in "SUO" or coordinate.ndim != 1 or not coordinate.size:
        return False
    return re.match(r"\s*\d{4}-?\d\d", text_of(coordinate.values.flat[0])) is not None


def decoded_axis(dimension: str | None, name: str, coordinate: xr.Variable) -> TimeAxis:
    """Return the times of a coordinate `[N]` or `[]`.

    Args:
        dimension: of the steps.
        name: of the coordinate.
        coordinate: with the attributes of the file.

    Returns:
        An axis whose `moments` is None, and which says why, where they cannot be decoded.
    """
    units = str(coordinate.attrs.get("units", ""))
    values = np.atleast_1d(coordinate.values)
    if is_month_number(name, coordinate):
        middle = tuple(Moment(0, int(month), 15, 0, 0, 0) for month in values)
        return TimeAxis(dimension, middle, _WITH_YEAR_ZERO, climatology=True)
    calendar = str(coordinate.attrs.get("calendar", "")).strip().lower() or "standard"
    try:
        if values.dtype.kind in "SUO":
            values = np.array([text_of(value) for value in values])
            there = values != ""
        elif values.dtype.kind in "iuf":
            there = _there(values)
        else:
            raise UnclearTimeError(_("its values are not numbers"))
        if not there.size:
            raise UnclearTimeError(_("it holds no value"))
        if not there.any():
            raise UnclearTimeError(_("all its values are missing"))
        with warnings.catch_warnings():
            # Of dates before the year 1, which CF leaves open.
            warnings.simplefilter("ignore", cftime.CFWarning)
            times = _decode(values[there], units, calendar)
    except (ValueError, OverflowError, IndexError) as error:
        problem = _("{name}, with units “{units}”: {reason}",
                    name=name, units=units, reason=error)  # fmt: skip
        return TimeAxis(dimension, None, "", problem)
    found = iter([_to_second(time) for time in times])
    moments = tuple(next(found) if known else None for known in there)
    # Ferret marks a year that repeats with `modulo`; CF has bounds named `climatology`.
    mean_year = (
        "climatology" in coordinate.attrs
        or "modulo" in coordinate.attrs
        or {moment.year for moment in moments if moment is not None} == {0}
    )
    return TimeAxis(dimension, moments, str(times[0].calendar), climatology=mean_year)


def _decode(values: npt.NDArray[Any], units: str, calendar: str) -> Sequence[Any]:
    if values.dtype.kind == "U":
        return [from_text(value, calendar) for value in values]
    form = form_of_digits(units) or (
        DATE if units.strip() in ("", "1") and are_dates(values) else None
    )
    if form is not None:
        return [from_digits(float(value), form, calendar) for value in values]
    match = _SINCE.fullmatch(units)
    if match is None:
        raise UnclearTimeError(_("these units do not name a reference date"))
    unit, reference, calendar = _with_year_zero(match[1], match[2], calendar)
    if unit.lower() in _MONTHS:
        start = _since(np.zeros(1), "days", reference, calendar)[0]
        return [months_later(start, float(value) * _MONTHS[unit.lower()]) for value in values]
    if unit.lower() in _AS_CF:
        unit, factor = _AS_CF[unit.lower()]
        values = values * factor
    return _since(values, unit, reference, calendar)


def _since(values: npt.NDArray[Any], unit: str, reference: str, calendar: str) -> Sequence[Any]:
    # cftime passes over a time zone that is written with one digit.
    reference = re.sub(r"(:\d\d?(?:\.\d*)? ?[+-])(\d)((?::\d\d)?)$", r"\g<1>0\2\3", reference)
    short = re.fullmatch(r"(\d{4})(?:-(\d\d?))?", reference)
    date = reference if short is None else f"{short[1]}-{short[2] or '01'}-01"
    try:
        times: Sequence[Any] = cftime.num2date(
            values, f"{unit} since {date}", calendar, only_use_cftime_datetimes=True
        )
    except (TypeError, ValueError) as error:
        # cftime's own words are long, English, and for 01/01/2000 of no use.
        for reason, one_step in (
            (_("the calendar {calendar} is not known", calendar=calendar),
             ("days", "2000-01-01", calendar)),
            (_("the unit {unit} is not known", unit=unit), (unit, "2000-01-01", "standard")),
            (_("“{text}” is not a date", text=reference), ("days", date, calendar)),
        ):  # fmt: skip
            if not _is_decoded(*one_step):
                raise UnclearTimeError(reason) from error
        raise
    return times


def _is_decoded(unit: str, date: str, calendar: str) -> bool:
    """Return whether cftime knows a unit, a date and a calendar."""
    try:
        cftime.num2date(0, f"{unit} since {date}", calendar, only_use_cftime_datetimes=True)
    except (TypeError, ValueError):
        return False
    return True


def _there(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which times `[N]` are none of the values that stand for a missing one.

    One that is declared is NaN already. -999 and the like are taken for it only where they break
    the order that all other times keep.
    """
    there: npt.NDArray[np.bool_] = np.isfinite(values) & ~np.isin(values, _FILL_VALUES)
    there[there] = np.abs(values[there].astype(np.float64)) < _LARGEST
    usual = [_USUAL_FILL.fullmatch(f"{value:.10g}") is not None for value in values]
    likely = there & np.array(usual, dtype=bool)
    if likely.any() and not _in_order(values[there]) and _in_order(values[there & ~likely]):
        there &= ~likely
    return there


def _in_order(values: npt.NDArray[Any]) -> bool:
    steps = np.diff(values.astype(np.float64))
    return bool((steps > 0).all() or (steps < 0).all())


def _with_year_zero(unit: str, reference: str, calendar: str) -> tuple[str, str, str]:
    """Return unit, reference date and calendar such that a year 0 exists.

    The standard calendar has none, and files that count from it mean the proleptic one, as MATLAB
    does; months and days of 0 (0000-00-00) stand for the first.
    """
    zero = _YEAR_ZERO.fullmatch(reference)
    if zero is None:
        return unit, reference, calendar
    month, day = (max(1, int(zero[number])) for number in (1, 2))
    if calendar in ("standard", "gregorian", "none"):
        calendar = _WITH_YEAR_ZERO
    return unit, f"0000-{month:02d}-{day:02d}{zero[3]}", calendar


def _to_second(time: Any) -> Moment:
    # Days in floating point miss the full second by microseconds.
    near = time + timedelta(microseconds=500_000)
    return Moment(near.year, near.month, near.day, near.hour, near.minute, near.second)
