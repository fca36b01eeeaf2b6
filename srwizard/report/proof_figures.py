"""Errors by scale, by distance from the coast, on maps, and the honesty of an ensemble: drawn."""

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from srwizard.base.i18n import translate as _
from srwizard.report.colours import Colours, error_colours
from srwizard.report.grid import grid_of
from srwizard.report.names import plain
from srwizard.report.plots import (
    LOOKS,
    QUIET,
    TRUTH_LOOK,
    look_of,
    method_label,
    with_units,
)
from srwizard.report.proof import METHODS
from srwizard.report.records import FloatArray
from srwizard.report.whiskers import whiskers, with_intervals


@dataclass(frozen=True)
class Diagnostics:
    """The arrays of diagnostics, as plots/breakdown.npz holds them; see `train.diagnostics`.

    Args:
        fields, errors: `[M, C, K]`, radial power of fields and of errors.
        truth: `[C, K]`.
        mean_error, rmse: `[M, C, H, W]`, NaN where nothing was seen.
    """

    fields: FloatArray
    errors: FloatArray
    truth: FloatArray
    mean_error: FloatArray
    rmse: FloatArray

    @classmethod
    def read(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Diagnostics | None":
        """Take the arrays of the archive; None of an older run."""
        names = (
            "scales_fields", "scales_errors", "scales_truth", "places_mean_error", "places_rmse",
        )  # fmt: skip
        if any(name not in arrays for name in names):
            return None
        return cls(*(np.asarray(arrays[name], np.float64) for name in names))


def read_diagnostics(run_dir: Path) -> Diagnostics | None:
    """Return the arrays of a run; None where there are none. `records` has said so if damaged."""
    try:
        with np.load(run_dir / "plots" / "breakdown.npz", allow_pickle=False) as archive:
            return Diagnostics.read(archive)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def error_spectrum_figure(
    found: Diagnostics, variable: int, best: str, resolution: Mapping[str, Any]
) -> Figure | None:
    """Draw the spectra of HR, methods and errors, and where each error reaches half of HR."""
    truth = found.truth[variable]
    if len(truth) < 2 or not (truth > 0).any():
        return None
    waves = np.arange(1, len(truth) + 1)
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.loglog(waves[truth > 0], truth[truth > 0], **TRUTH_LOOK)
    half = np.where(truth > 0, truth / 2, np.nan)
    axes.loglog(waves, half, color=TRUTH_LOOK["color"], linewidth=0.6, linestyle=":")
    looks = {method: look_of(best if method == "best" else method) for method in METHODS}
    for place, method in enumerate(METHODS):
        if method == "bicubic" and best == "bicubic":
            continue
        look = looks[method]
        error = {"label": _("error of {method}", method=look["label"]), "linewidth": 0.8}
        for power, own in (
            (found.fields[place, variable], look),
            (found.errors[place, variable], look | error),
        ):
            there = power > 0
            axes.loglog(waves[there], power[there], **own)
        cells = (resolution.get(method) or {}).get("cells")
        if cells and cells > 2 + 1 / len(truth):  # else not even the shortest waves' error does
            place_of = 2 * len(truth) / cells
            axes.axvline(place_of, color=look["color"], linewidth=0.8, linestyle=":")
    axes.set_ylabel(_("power"))
    axes.set_xlabel(
        _("wavenumber (waves along the shorter side); dotted: half of HR, and where errors reach "
          "it"), color=QUIET,
    )  # fmt: skip
    axes.grid(axis="y")
    figure.legend(loc="outside upper right", ncols=4)
    return figure


def coast_figure(rows: list[Mapping[str, Any]], best: str, units: str) -> Figure | None:
    """Draw the RMSE by distance from the coast."""
    if len(rows) < 2:
        return None
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    axes = figure.subplots()
    shown = [("model", look_of("model")), ("best", look_of(best))]
    width = 0.8 / len(shown)
    for place, (method, look) in enumerate(shown):
        values = [_number(row[method]["rmse"]) for row in rows]
        where = np.arange(len(rows)) + (place - (len(shown) - 1) / 2) * width
        axes.bar(
            where, values, 0.9 * width, color=look["color"], label=look["label"],
            hatch=(None, "///")[place], edgecolor="white", linewidth=0.3,
        )  # fmt: skip
        whiskers(axes, where, rows, method)
    axes.set_xticks(range(len(rows)), [_between(row) for row in rows])
    label = _("distance from the coast [{unit}]", unit=plain(rows[0]["unit"]))
    axes.set_xlabel(with_intervals(label, rows))
    axes.set_ylabel(with_units("RMSE", units))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper right", ncols=2)
    return figure


def error_maps_figure(
    found: Diagnostics,
    variable: int,
    best: str,
    units: str,
    lon: FloatArray | None,
    lat: FloatArray | None,
) -> Figure | None:
    """Draw mean error and RMSE at each point, of the model and of the best simple method."""
    means, rmses = found.mean_error[:2, variable], found.rmse[:2, variable]
    if not np.isfinite(rmses).any():
        return None
    height, width = rmses.shape[1:]
    grid = grid_of((height, width), lon, lat)
    tall = min(max(3.0 * grid.aspect, 1.0), 6.0)
    figure = Figure(figsize=(7.2, 2 * tall + 1.2), layout="constrained")
    axes = figure.subplots(2, 2)
    signed, plain = error_colours(), Colours("amp")
    bounds = ((signed, signed.limits(means)), (plain, (0.0, plain.limits(rmses)[1])))
    for row, (fields, (colours, limits), title) in enumerate(
        zip((means, rmses), bounds, (_("mean error"), "RMSE"), strict=True)
    ):
        for column, method in enumerate(("model", best)):
            panel = axes[row][column]
            panel.set_facecolor("#d9dde1")
            panel.set_title(_("{title}, {method}", title=title, method=method_label(method)))
            grid.draw(panel, fields[column], colours.colormap, limits)
            grid.label(panel, width=3.0, height=tall)
        mapped = axes[row][0].collections or axes[row][0].images
        bar = figure.colorbar(mapped[0], ax=list(axes[row]), shrink=0.9)
        bar.set_label(with_units(title, units))
    return figure


def calibration_figure(told: Mapping[str, Any], units: str) -> Figure:
    """Draw the rank histogram, and the error of the mean against the spread, bin by bin."""
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    ranks = [_number(share) for share in told["rank_histogram"]]
    left.bar(range(len(ranks)), ranks, 0.9, color=LOOKS["model"]["color"])
    left.axhline(1 / len(ranks), color=TRUTH_LOOK["color"], linewidth=0.8, linestyle=":")
    left.set_xlabel(_("members below the truth (flat: honest)"))
    left.set_ylabel(_("share of points"))
    spread, error, points = (
        np.array([_number(value) for value in told[name]]) for name in ("spread", "rmse", "points")
    )
    sizes = 6 + 60 * points / max(points.max(initial=1), 1)
    right.scatter(spread, error, s=sizes, color=LOOKS["model"]["color"])
    there = np.concatenate([spread, error])
    there = there[np.isfinite(there) & (there > 0)]
    if len(there):
        ends = [there.min(), there.max()]
        right.loglog(ends, ends, color=TRUTH_LOOK["color"], linewidth=0.8, linestyle=":")
    right.set_xlabel(with_units(_("spread, adjusted"), units))
    right.set_ylabel(with_units(_("RMSE of the mean"), units))
    return figure


def _between(row: Mapping[str, Any]) -> str:
    low = f"{row['from']:g}"
    return f"> {low}" if row["to"] is None else f"{low}–{row['to']:g}"


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
