"""Dates of a calendar: from digits, from text, and so many months after another."""

import re
from datetime import timedelta
from typing import Any

import cftime
import numpy as np
import numpy.typing as npt

from srwizard.base.i18n import translate as _

_AS_DIGITS = re.compile(r"\s*(?:(day|month|year)s? as )?(%Y(?:%m(?:%d)?)?(?:\.%f)?)\s*", re.I)
_TEXT = re.compile(
    r"(\d{4})-?(\d\d)(?:-?(\d\d)(?:[T _]?(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,]\d*)?)?)?)?)?"
    r"(?:Z|UTC|[+-]00:?00)?"
)
"""ISO 8601, extended or basic, and what WRF makes of it (2001-01-03_12:00:00); of UTC only."""
DATE = "%y%m%d"


class UnclearTimeError(ValueError):
    """A time coordinate that cannot be decoded, and why."""


def form_of_digits(units: str) -> str | None:
    """Return the form of units such as "day as %Y%m%d.%f" or "YYYYMMDD", else None."""
    match = _AS_DIGITS.fullmatch(units)
    if match is not None:
        return match[2].lower().removesuffix(".%f")
    return DATE if units.strip().lower() in ("yyyymmdd", "yyyymmdd.f") else None


def are_dates(values: npt.NDArray[Any]) -> bool:
    """Return whether numbers without units can only be meant as 19930101, 19930102, ..."""
    return bool(((values >= 10000101) & (values <= 29991231) & (values == np.floor(values))).all())


def from_digits(value: float, form: str, calendar: str) -> Any:
    """Return the date that 20010131.5 is, in a form from `form_of_digits`.

    Raises:
        UnclearTimeError: it is none in this calendar.
    """
    number = int(np.floor(value))
    year, month, day = {
        DATE: (number // 10000, number // 100 % 100, number % 100),
        "%y%m": (number // 100, number % 100, 1),
        "%y": (number, 1, 1),
    }[form]
    try:
        start = cftime.datetime(year, month, day, calendar=calendar)
    except ValueError as error:
        raise UnclearTimeError(_("{value:.10g} is not a date", value=value)) from error
    part = value - number
    if form == DATE:
        return start + timedelta(days=part)
    return months_later(start, part * (1 if form == "%y%m" else 12))


def from_text(text: str, calendar: str) -> Any:
    """Return the date that a text such as 2001-01-31T12:00 is.

    Raises:
        UnclearTimeError: it is none in this calendar.
    """
    match = _TEXT.fullmatch(text)
    try:
        if match is not None:
            parts = [int(part) for part in match.groups(default="0")]
            return cftime.datetime(*parts[:2], max(1, parts[2]), *parts[3:], calendar=calendar)
    except ValueError:
        pass
    raise UnclearTimeError(_("“{text}” is not a date", text=text))


def text_of(value: Any) -> str:
    """Return a text as NetCDF stores it, in bytes or not, without what fills it up."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text.strip("\0 ")


def months_later(start: Any, months: float) -> Any:
    """Return the date that is so many calendar months later; a part of one counts in its days.

    UDUNITS' month is a twelfth of a tropical year, 30.44 days, which no file of months means.
    """
    whole = int(np.floor(months))
    first, following = (_same_day(start, whole + more) for more in (0, 1))
    return first + (following - first) * (months - whole)


def _same_day(start: Any, months: int) -> Any:
    """Return the same day of a later month, or its last where it is shorter."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    for day in range(start.day, 0, -1):
        try:
            return start.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise UnclearTimeError(_("a date lies outside of the calendar"))
