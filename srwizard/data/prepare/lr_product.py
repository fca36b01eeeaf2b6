"""LR from a product of its own: which of its steps belong to HR, and how far the two agree."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import cftime
import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.data.coordinates import Grid
from srwizard.data.fields import FloatField
from srwizard.data.prepare.record import Record, Survey
from srwizard.data.prepare.source import Step

LAGS = range(-3, 4)
LEAST_GAIN = 0.05
"""By less, neighbouring steps correlate better by chance."""
LEAST_STEPS_FOR_LAG = 12
MOST_STEPS_FOR_LAG = 60
TIME_UNITS = "hours since 1900-01-01"
_SAME_DATES = {"standard", "gregorian", "proleptic_gregorian"}

Hours = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LrSource:
    """The product that LR comes from.

    Args:
        paths: its NetCDF files and Zarr stores.
        variables: its names of the variables, in the order of those of HR; empty: the same names.
        regridding: a name of `lr_methods.REGRIDDING`.
        tolerance_hours: how far apart in time two steps may be that belong together; None: half
            of HR's usual step.
    """

    paths: tuple[Path, ...]
    variables: tuple[str, ...] = ()
    regridding: str = "conservative"
    tolerance_hours: float | None = None


@dataclass(frozen=True)
class Agreement:
    """How LR compares with HR's block means, over the points where both have a value.

    Args:
        bias: mean of LR minus block mean.
        correlation: of all values.
        lag: by how many steps LR comes late (negative: early), by the correlation of departures
            from the mean in time; None where there are too few steps.
        lag_correlation: at that lag.
    """

    bias: float
    correlation: float
    lag: int | None
    lag_correlation: float | None


@dataclass(frozen=True)
class LrProduct:
    """What manifest.json says of LR of its own.

    Args:
        regridding: how it was brought onto the grid of HR / scale.
        tolerance_hours: how far apart in time two steps may be that belong together.
        matched: pairs of steps.
        hr_without_partner, lr_without_partner: steps that were left out.
        farthest_hours: the largest difference in time within a pair.
        agreement: variable -> how it compares with HR's block means.
        lr_used_twice: steps of LR that belong to several steps of HR.
    """

    regridding: str
    tolerance_hours: float
    matched: int
    hr_without_partner: int
    lr_without_partner: int
    farthest_hours: float
    agreement: Mapping[str, Agreement]
    lr_used_twice: int = 0


@dataclass(frozen=True)
class Matched:
    """HR with the steps that have a partner, and these partners.

    Args:
        hr: what is left of it.
        lr: record of HR -> the record of LR, its steps in the order of those of HR.
        grid: of LR.
        product: for the manifest.
    """

    hr: Survey
    lr: Mapping[str, Record]
    grid: Grid
    product: LrProduct


def match(
    hr: Survey,
    lr: Survey,
    its_names: Mapping[str, str],
    tolerance_hours: float | None,
    regridding: str,
) -> Matched:
    """Find for each step of HR the nearest step of LR in time.

    Args:
        hr, lr: both with times.
        its_names: variable of HR -> that of LR which belongs to it.
        tolerance_hours: how far apart they may be; None: half of HR's usual step.
        regridding: for the manifest.

    Raises:
        DatasetError: a product has no times; calendars differ; no step has a partner.
    """
    hr_hours, lr_hours = _hours(hr), _hours(lr)
    if {hr.calendar, lr.calendar} - _SAME_DATES and hr.calendar != lr.calendar:
        raise DatasetError(
            _("HR is in calendar {hr}, the LR product in {lr}: their times cannot be matched.",
              hr=hr.calendar, lr=lr.calendar),
            _("Convert one of them first, e.g. with xarray's convert_calendar."),
        )  # fmt: skip
    if tolerance_hours is None:
        gaps = [later - earlier for earlier, later in pairwise(hr_hours)]
        tolerance_hours = float(np.median(gaps)) / 2 if gaps else 12.0
    right = np.clip(np.searchsorted(lr_hours, hr_hours), 0, len(lr_hours) - 1)
    left = np.maximum(right - 1, 0)
    before, after = np.abs(lr_hours[left] - hr_hours), np.abs(lr_hours[right] - hr_hours)
    # Of two that are as far, noon of the same day rather than of the day before.
    same_day = _days(hr) == _days(lr)[right]
    nearest = np.where((before < after) | ((before == after) & ~same_day), left, right)
    apart = np.abs(lr_hours[nearest] - hr_hours)
    kept = np.flatnonzero(apart <= tolerance_hours)
    if not kept.size:
        raise DatasetError(
            _("No step of the LR product lies within {hours:g} h of a step of HR: HR reaches "
              "from {hr_first} to {hr_last}, LR from {lr_first} to {lr_last}.",
              hours=tolerance_hours, hr_first=_text(hr.steps[0]), hr_last=_text(hr.steps[-1]),
              lr_first=_text(lr.steps[0]), lr_last=_text(lr.steps[-1])),
            _("Give products of the same time, or a larger --lr-tolerance."),
        )  # fmt: skip
    partners = tuple(int(place) for place in nearest[kept])
    records = {
        key: replace(record, steps=tuple(record.steps[place] for place in kept))
        for key, record in hr.records.items()
    }
    lr_records = {
        key: replace(record, steps=tuple(record.steps[place] for place in partners))
        for key, record in _partners(hr, lr, its_names).items()
    }
    product = LrProduct(
        regridding=regridding,
        tolerance_hours=tolerance_hours,
        matched=len(kept),
        hr_without_partner=len(hr_hours) - len(kept),
        lr_without_partner=len(lr_hours) - len({*partners}),
        farthest_hours=float(apart[kept].max()),
        agreement={},
        lr_used_twice=sum(count > 1 for count in Counter(partners).values()),
    )
    return Matched(replace(hr, records=records), lr_records, lr.grid, product)


def _partners(hr: Survey, lr: Survey, its_names: Mapping[str, str]) -> dict[str, Record]:
    """Return the record of LR of each record of HR: of the same depth, where both have several."""
    found: dict[str, Record] = {}
    for variable, other in its_names.items():
        keys = [key for key, record in hr.records.items() if record.variable == variable]
        # In the order of the depths, as they were asked for.
        theirs = [record for record in lr.records.values() if record.variable == other]
        if len(theirs) != len(keys):
            uppermost = min(theirs, key=lambda record: record.depth or 0.0)
            theirs = [uppermost] * len(keys)
        found |= dict(zip(keys, theirs, strict=True))
    return {key: found[key] for key in hr.records}


def notes_on_product(product: LrProduct) -> list[str]:
    """Say how LR of its own was matched and how far it agrees with HR."""
    notes = [
        _("LR product: steps matched: {matched}; farthest apart: {farthest:g} h (allowed: "
          "{tolerance:g} h); left out without a partner: {hr} of HR, {lr} of LR.",
          matched=product.matched, farthest=product.farthest_hours,
          tolerance=product.tolerance_hours, hr=product.hr_without_partner,
          lr=product.lr_without_partner)
    ]  # fmt: skip
    if product.lr_used_twice:
        notes.append(
            _n(
                "LR product: {count} step belongs to more than one step of HR; check whether both "
                "name the same moment of a step, its begin or its middle.",
                "LR product: {count} steps belong to more than one step of HR; check whether both "
                "name the same moment of a step, its begin or its middle.",
                product.lr_used_twice,
                count=product.lr_used_twice,
            )
        )
    for name, found in product.agreement.items():
        notes.append(
            _("{variable}: LR minus HR's block means is {bias:.4g} on average, their correlation "
              "{correlation:.3f}.", variable=name, bias=found.bias, correlation=found.correlation)
        )  # fmt: skip
        if found.lag:
            notes.append(
                _n(
                    "{variable}: moved by {steps} step in time, LR would agree better with HR "
                    "({correlation:.3f}): check the times.",
                    "{variable}: moved by {steps} steps in time, LR would agree better with HR "
                    "({correlation:.3f}): check the times.",
                    -found.lag,
                    variable=name,
                    steps=-found.lag,
                    correlation=found.lag_correlation,
                )
            )
    return notes


def _days(survey: Survey) -> npt.NDArray[np.int_]:
    """Return the date of each step as a number, 20000131."""
    dates = [step.moment[:3] for step in survey.steps if step.moment is not None]
    return np.array([(year * 100 + month) * 100 + day for year, month, day in dates])


def _hours(survey: Survey) -> Hours:
    if not survey.calendar:
        raise DatasetError(
            _("HR and an LR product are matched by time, and one of them has no usable times."),
            _("Add a time with units such as days since 2000-01-01."),
        )
    times = [
        cftime.datetime(*step.moment, calendar=survey.calendar)
        for step in survey.steps
        if step.moment is not None
    ]
    return np.asarray(cftime.date2num(times, TIME_UNITS, survey.calendar), np.float64)


def _text(step: Step) -> str:
    return "" if step.moment is None else step.moment.extended()


class AgreementTally:
    """Compares LR with HR's block means while the pairs of one variable pass by, in order."""

    def __init__(self) -> None:
        self._count = 0
        self._sums = np.zeros(5)  # lr, mean, lr², mean², lr · mean, all less the first mean
        self._origin: float | None = None
        self._first: list[tuple[FloatField, FloatField]] = []

    def add(self, lr: FloatField, mean: FloatField) -> None:
        """Take the LR field and the block means `[h, w]` of one step."""
        both = np.isfinite(lr) & np.isfinite(mean)
        if len(self._first) < MOST_STEPS_FOR_LAG:
            self._first.append((lr, mean))
        if not both.any():
            return
        x, y = lr[both].astype(np.float64), mean[both].astype(np.float64)
        if self._origin is None:
            self._origin = float(y.mean())
        x, y = x - self._origin, y - self._origin
        self._count += x.size
        self._sums += [x.sum(), y.sum(), x @ x, y @ y, x @ y]

    def agreement(self) -> Agreement:
        """Return what was found.

        Raises:
            DatasetError: no point had a value in both.
        """
        if not self._count:
            raise DatasetError(
                _("The LR product has no value at any point where HR has one."),
                _("Check the masks and the region of the two products."),
            )
        x, y, xx, yy, xy = self._sums / self._count
        spread = math.sqrt(max(xx - x * x, 0) * max(yy - y * y, 0))
        lag, at_lag = self._lag()
        return Agreement(float(x - y), float((xy - x * y) / spread) if spread else 0.0, lag, at_lag)

    def _lag(self) -> tuple[int | None, float | None]:
        if len(self._first) < LEAST_STEPS_FOR_LAG:
            return None, None
        lr, mean = (np.stack(fields) for fields in zip(*self._first, strict=True))
        both = np.isfinite(lr).all(axis=0) & np.isfinite(mean).all(axis=0)
        if not both.any():
            return None, None
        lr, mean = (fields[:, both] - fields[:, both].mean(axis=0) for fields in (lr, mean))
        steps = len(lr)
        found = {
            lag: _correlation(lr[max(lag, 0) : steps + min(lag, 0)],
                              mean[max(-lag, 0) : steps - max(lag, 0)])
            for lag in LAGS
        }  # fmt: skip
        best = max(LAGS, key=lambda lag: (found[lag], -abs(lag)))
        if found[best] < found[0] + LEAST_GAIN:
            best = 0
        return best, found[best]


def _correlation(first: FloatField, second: FloatField) -> float:
    x, y = first.ravel().astype(np.float64), second.ravel().astype(np.float64)
    spread = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / spread if spread and x.size else 0.0
