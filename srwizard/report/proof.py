"""Tables of what is told of a test split beside its scores: how sure, which scales, where."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.base.i18n import translate_count as _n
from srwizard.report.plots import METRIC_UNITS, metric_title
from srwizard.report.records import Run
from srwizard.report.tables import Table, number_text
from srwizard.runs.absent import has_no_value

METHODS = ("model", "best", "bicubic")
PLAIN_FROM, PLAIN_TO = 1e3, 1e6
MOST_DIGITS = 7
Row = tuple[str, ...]


def proof_tables(run: Run) -> list[Table]:
    """Return a table for each variable, and for each pair that is a vector; [] of older runs."""
    test = run.metrics.test
    if test is None:
        return []
    units = run.units()
    found = []
    for name, told in test.told.items():
        if has_no_value(told):
            continue
        rows = [
            *_intervals(told, units.get(name, "")),
            *_scales(told),
            *_gradients(told, units.get(name, "")),
            *_simple(told, "geostrophic_speed", _geostrophic(units.get(name, ""))),
            *_simple(told, "consistency", _("|Block mean − LR|, RMS")),
            *_regions(told, units.get(name, "")),
            *_calibration(told),
        ]
        if rows:
            found.append(Table(name, _head(), rows))
    for pair, told in test.vectors.items():
        rows = list(_vector(told, units.get(pair.partition(",")[0], "")))
        if rows:
            found.append(Table(pair.replace(",", ", "), _head(), rows))
    return found


def _head() -> Row:
    return ("", _("Model"), _("Best simple method"), _("Bicubic"))


def _row(
    title: str, values: Mapping[str, Any], told: Mapping[str, Any] | None = None, key: str = ""
) -> Row:
    """Return a row of figures, with the intervals that `told` has of them, if it has any."""
    scores = ((told or {}).get("interval") or {}).get("scores") or {}
    found = [title]
    for method in METHODS:
        ends = (scores.get(method) or {}).get(key) or (None, None)
        text = _text(values.get(method))
        found.append(text if ends[0] is None else f"{text} ({_ends(*ends)})")
    return tuple(found)


def _text(value: Any, digits: int = 3) -> str:
    known = isinstance(value, int | float) and math.isfinite(value)
    if known and PLAIN_FROM <= abs(value) < PLAIN_TO:  # 1220 km, not 1.22e+03
        return f"{value:.0f}"
    return number_text(float(value), digits) if known else "–"


def _with_unit(title: str, unit: str) -> str:
    return f"{title} [{unit}]" if unit else title


def _intervals(told: Mapping[str, Any], unit: str) -> Iterator[Row]:
    interval = told.get("interval")
    if not interval:
        return
    if interval.get("rmse") is None:
        none = _n(
            "none: {steps} step is too few",
            "none: {steps} steps are too few, or too much alike",
            interval["steps"],
            steps=interval["steps"],
        )
        yield (_("95 % interval of the RMSE"), none, "–", "–")
        return
    title = _with_unit(
        _n(
            "95 % interval of the RMSE, blocks of {block} step",
            "95 % interval of the RMSE, blocks of {block} steps",
            interval["block"],
            block=interval["block"],
        ),
        unit,
    )
    yield _interval_row(title, interval["rmse"])
    scores = interval.get("scores") or {}  # of runs of today's version
    for metric in scores.get("model") or ():
        unit_of = METRIC_UNITS.get(metric, unit)
        title = _with_unit(_("95 % interval: {metric}", metric=metric_title(metric)), unit_of)
        yield _interval_row(title, {name: found.get(metric) for name, found in scores.items()})


def _interval_row(title: str, bounds: Mapping[str, Any]) -> Row:
    return (title, *(_ends(*(bounds.get(method) or (None, None))) for method in METHODS))


def _ends(low: Any, high: Any) -> str:
    """Return an interval; of a resolution no upper end says that none may be resolved."""
    if low is None:
        return "–"
    if high is None:
        return f"≥ {_text(low)}"
    # As many digits as tell the ends apart: a correlation of 0.9997 to 0.9999 is not 1 to 1.
    pairs = [(_text(low, digits), _text(high, digits)) for digits in range(3, MOST_DIGITS)]
    return " – ".join(next((pair for pair in pairs if pair[0] != pair[1]), pairs[0]))


def _scales(told: Mapping[str, Any]) -> Iterator[Row]:
    found = told.get("effective_resolution")
    if not found:
        return
    of_methods = {name: found[name] for name in METHODS if name in found}
    in_km = any(one["km"] is not None for one in of_methods.values())
    key = "km" if in_km else "cells"
    unit = "km" if in_km else _("HR cells")
    title = _with_unit(_("Effective resolution: wavelength"), unit)
    yield _row(title, {name: one[key] for name, one in of_methods.items()}, found, key)


def _gradients(told: Mapping[str, Any], unit: str) -> Iterator[Row]:
    found = told.get("gradient")
    if not found:
        return
    per = found["per"] if found["per"] == "km" else _("cell")
    unit = f"{unit}/{per}" if unit else f"1/{per}"
    named = {name: found.get(name, {}) for name in METHODS}
    for key, title in (
        ("rmse", _("Gradient, RMSE")),
        ("p95", _("Fronts: 95th percentile of the gradient, RMSE")),
        ("p99", _("Fronts: 99th percentile of the gradient, RMSE")),
    ):
        values = {name: one.get(key) for name, one in named.items()}
        yield _row(_with_unit(title, unit), values, found, key)


def _simple(told: Mapping[str, Any], key: str, title: str) -> Iterator[Row]:
    found = told.get(key)
    if found:
        values = {name: found.get(name, {}).get("rmse") for name in METHODS}
        yield _row(title, values, found, "rmse")


def _geostrophic(unit: str) -> str:
    """Name the speed in the unit that follows from that of sea level."""
    if unit:
        return _with_unit(_("Geostrophic speed, RMSE"), f"{unit}/s")
    return _("Geostrophic speed, RMSE [m/s of a sea level in m]")


def _regions(told: Mapping[str, Any], unit: str) -> Iterator[Row]:
    titles = {
        "coast": _("RMSE near the coast"),
        "shelf": _("RMSE on the shelf (< 200 m)"),
        "open_sea": _("RMSE in the open sea"),
    }
    for region, found in (told.get("regions") or {}).items():
        if region in titles:
            values = {name: found.get(name, {}).get("rmse") for name in METHODS}
            ends = (found.get("interval") or {}).get("rmse") or {}
            scores = {name: {"rmse": of_method} for name, of_method in ends.items()}
            title = _with_unit(titles[region], unit)
            yield _row(title, values, {"interval": {"scores": scores}}, "rmse")


def _calibration(told: Mapping[str, Any]) -> Iterator[Row]:
    found = told.get("calibration")
    if found:
        title = _("Spread over error of {members} members (1: honest)", members=found["members"])
        yield _row(title, {"model": found["ratio"]})


def _vector(told: Mapping[str, Any], unit: str) -> Iterator[Row]:
    found = told.get("vector")
    if not found:
        return
    per = f"{unit or '1'}/{'m' if found['per'] == 'm' else _('cell')}"
    for key, title, its_unit in (
        ("speed_rmse", _("Speed, RMSE"), unit),
        ("direction_rmse", _("Direction, RMSE weighted by speed"), "°"),
        ("kinetic_energy_rmse", _("Kinetic energy, RMSE"), f"({unit})²" if unit else ""),
        ("kinetic_energy_bias", _("Kinetic energy, bias as a share"), ""),
        ("vorticity_rmse", _("Vorticity, RMSE"), per),
        ("divergence_rmse", _("Divergence, RMSE"), per),
    ):
        values = {name: found.get(name, {}).get(key) for name in METHODS}
        yield _row(_with_unit(title, its_unit), values, found, key)
