"""Where, when and at which scales the errors are: by latitude, by month, and power spectra."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from srwizard.base.i18n import translate as _
from srwizard.report.plots import QUIET, TRUTH_LOOK, look_of, with_units
from srwizard.report.records import LATITUDE_BINS, Breakdown, FloatArray
from srwizard.report.whiskers import ends_of, too_few_steps, whiskers, with_intervals

HATCHES = (None, "///", "...")
"""Of the bars of each method: they are told apart without colours, too."""
PARALLEL = 0.5
"""A row is a parallel if its latitudes differ by no more, in distances between rows."""


def month_figure(
    found: Breakdown, variable: int, units: str, told: Sequence[Mapping[str, Any]] = ()
) -> Figure | None:
    """Draw the RMSE of each month of the year, or None where the months are not known.

    Args:
        found: the sums.
        variable: its place among the variables.
        units: of the variable.
        told: of the months, as scores tell them, for their intervals; () of older runs.
    """
    months = found.months()
    if months is None:
        return None
    present = sorted({*months.tolist()})
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    axes = figure.subplots()
    shown = found.shown(variable)
    width = 0.8 / len(shown)
    known = {row["month"]: row for row in told}
    rows = [known.get(month, {}) for month in present]
    for place, (method, name) in enumerate(shown):
        look = look_of(name)
        values = [
            _rms(
                found.steps[method, variable, months == month].sum(),
                found.step_points[variable, months == month].sum(),
            )
            for month in present
        ]
        where = np.array(present) + (place - (len(shown) - 1) / 2) * width
        axes.bar(
            where, values, 0.9 * width, color=look["color"], label=look["label"],
            hatch=HATCHES[place], edgecolor="white", linewidth=0.3,
        )  # fmt: skip
        whiskers(axes, where, rows, name)
    counts = [int((months == month).sum()) for month in present]
    axes.set_xticks(
        present,
        [
            f"{month}\nn={count}" + ("*" if too_few_steps(row) else "")
            for month, count, row in zip(present, counts, rows, strict=True)
        ],
    )
    axes.set_xlabel(with_intervals(_("month"), rows))
    axes.set_ylabel(with_units("RMSE", units))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def latitudes_of_rows(lat: FloatArray | None, rows: int) -> FloatArray | None:
    """Return the latitude of each of the `rows` of the grid; None where a row has none of its own.

    Those of a curvilinear grid are not parallels: some of a row would count at another latitude.
    """
    if lat is None or lat.shape[0] != rows or not np.isfinite(lat).all():
        return None
    if lat.ndim == 1:
        return lat
    apart = np.abs(np.diff(lat.mean(axis=1))).mean() if rows > 1 else 0.0
    return lat.mean(axis=1) if np.ptp(lat, axis=1).max() <= PARALLEL * apart else None


def latitude_figure(
    found: Breakdown,
    variable: int,
    units: str,
    lat: FloatArray | None,
    bands: Sequence[Mapping[str, Any]] = (),
) -> Figure | None:
    """Draw the RMSE along latitude, by row of the grid where there are no latitudes.

    Args:
        found: the sums.
        variable: its place among the variables.
        units: of the variable.
        lat: `[H]`, from `latitudes_of_rows`.
        bands: of latitude, as scores tell them, each point in its own; drawn where they have
            intervals, or rows are no parallels.
    """
    rows, points = found.rows[:, variable], found.row_points[variable]
    if not points.any():
        return None
    names = [name for _method, name in found.shown(variable)]
    if bands and (lat is None or "interval" in bands[0]):
        middle = np.array([(band["from"] + band["to"]) / 2 for band in bands])
        curves = [
            np.array([band[name if name in band else "best"]["rmse"] for band in bands])
            for name in names
        ]
        label = with_intervals(_("latitude [°N]"), bands)
        return _along(middle, curves, names, label, units, bands)
    place: FloatArray = np.arange(rows.shape[1], dtype=np.float64)
    label = _("row")
    if lat is not None:
        place, label = lat, _("latitude [°N]")
    edges = np.linspace(place.min(), place.max(), min(LATITUDE_BINS, len(place)) + 1)
    which = np.clip(np.digitize(place, edges) - 1, 0, len(edges) - 2)
    total = np.bincount(which, points, len(edges) - 1)
    middle, there = (edges[:-1] + edges[1:]) / 2, total > 0
    curves = []
    for method, _name in found.shown(variable):
        squared = np.bincount(which, rows[method], len(edges) - 1)
        curves.append(np.sqrt(squared[there] / total[there]))
    return _along(middle[there], curves, names, label, units)


def _along(
    place: FloatArray,
    curves: Sequence[FloatArray],
    names: Sequence[str],
    label: str,
    units: str,
    bands: Sequence[Mapping[str, Any]] = (),
) -> Figure:
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    axes = figure.subplots()
    for values, name in zip(curves, names, strict=True):
        look = look_of(name)
        axes.plot(place, values, **look)
        if bands:
            low, high = ends_of(bands, name).T
            axes.fill_between(place, low, high, color=look["color"], alpha=0.15, linewidth=0)
    axes.set_xlabel(label)
    axes.set_ylabel(with_units("RMSE", units))
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def spectrum_figure(found: Breakdown, variable: int, scale: int | None) -> Figure | None:
    """Draw the radial power spectra and, below, their ratio to that of the truth in dB."""
    truth = found.spectra[-1, variable]
    if len(truth) < 2 or not (truth > 0).any():
        return None
    waves = np.arange(1, len(truth) + 1)
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    methods = [
        (found.spectra[method, variable], look_of(name)) for method, name in found.shown(variable)
    ]
    for power, look in ((truth, TRUTH_LOOK), *reversed(methods)):
        there = power > 0
        upper.loglog(waves[there], power[there], **look)
        if look is not TRUTH_LOOK:
            both = there & (truth > 0)
            lower.semilogx(waves[both], 10 * np.log10(power[both] / truth[both]), **look)
    lower.axhline(0, color=TRUTH_LOOK["color"], linewidth=0.8)
    if scale is not None and len(truth) / scale > 1:
        # What has shorter waves than two LR cells is not in the input.
        for axes in (upper, lower):
            axes.axvline(len(truth) / scale, color=QUIET, linewidth=0.8, linestyle=":")
        upper.annotate(
            _("LR limit"), (len(truth) / scale, 0.02), xycoords=("data", "axes fraction"),
            xytext=(3, 0), textcoords="offset points", fontsize=7, color=QUIET,
        )  # fmt: skip
    upper.set_ylabel(_("power"))
    lower.set_ylabel(_("over truth [dB]"))
    lower.set_xlabel(_("wavenumber (waves along the shorter side)"))
    for axes in (upper, lower):
        axes.grid(axis="y")
    figure.legend(*upper.get_legend_handles_labels(), loc="outside upper right", ncols=4)
    return figure


def _rms(squared: float, points: float) -> float:
    return math.sqrt(squared / points) if points else math.nan
