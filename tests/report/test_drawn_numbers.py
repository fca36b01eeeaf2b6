"""What the figures of errors draw are the numbers of the record."""

from typing import Any

import numpy as np
import pytest
from made_up_run import breakdown_arrays
from matplotlib.axes import Axes
from matplotlib.container import BarContainer

from srwizard.report.breakdown import (
    latitude_figure,
    latitudes_of_rows,
    month_figure,
    spectrum_figure,
)
from srwizard.report.proof_figures import (
    Diagnostics,
    calibration_figure,
    coast_figure,
    error_maps_figure,
    error_spectrum_figure,
)
from srwizard.report.records import Breakdown

ARRAYS = breakdown_arrays()
FOUND = Breakdown.read(ARRAYS)
RANDOM = np.random.default_rng(2)
WAVES = np.arange(1, 17)


def bars(axes: Axes) -> list[list[float]]:
    """Return the heights of the bars of each method."""
    return [
        [bar.get_height() for bar in group]
        for group in axes.containers
        if isinstance(group, BarContainer)
    ]


def lines(axes: Axes) -> dict[str, Any]:
    """Return the curves by their labels."""
    return {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.lines}


def test_bars_of_the_months() -> None:
    figure = month_figure(FOUND, 1, "K")
    assert figure is not None
    steps, points = ARRAYS["steps"][:, 1], ARRAYS["step_points"][1]
    january, february = [0, 2], [1, 3]
    expected = [
        [np.sqrt(squared[month].sum() / points[month].sum()) for month in (january, february)]
        for squared in steps
    ]
    assert bars(figure.axes[0]) == [pytest.approx(one) for one in expected]


@pytest.mark.parametrize("along_rows", [False, True])
def test_curves_along_latitude(along_rows: bool) -> None:
    lat = np.linspace(50, 30, 32)
    known = np.repeat(lat[:, None], 7, axis=1) if along_rows else lat
    figure = latitude_figure(FOUND, 0, "K", latitudes_of_rows(known, 32))
    assert figure is not None
    # No more rows than bins: each is a point, from south to north.
    expected = np.sqrt(ARRAYS["rows"][:, 0] / ARRAYS["row_points"][0])[:, ::-1]
    drawn = lines(figure.axes[0])
    assert drawn["model"] == pytest.approx(expected[0])
    assert drawn["bicubic"] == pytest.approx(expected[1])
    assert figure.axes[0].get_xlabel() == "latitude [°N]"
    assert latitudes_of_rows(lat[:5], 32) is None
    assert latitudes_of_rows(np.full(32, np.nan), 32) is None


def test_a_cell_of_a_curvilinear_grid_counts_at_its_own_latitude() -> None:
    """Rows that are no parallels have no latitude: the bands of the scores are drawn."""
    lat = np.linspace(50, 30, 32)[:, None] + np.linspace(0, 6, 7)
    assert latitudes_of_rows(lat, 32) is None
    bands = [
        {"from": at, "to": at + 2.0, "model": {"rmse": at / 100}, "best": {"rmse": at / 50},
         "bicubic": {"rmse": at / 25}}
        for at in (30.0, 32.0, 34.0)
    ]  # fmt: skip
    figure = latitude_figure(FOUND, 0, "K", None, bands)
    assert figure is not None
    (axes,) = figure.axes
    drawn = lines(axes)
    assert drawn["model"].tolist() == [0.3, 0.32, 0.34]
    assert drawn["bicubic"].tolist() == [1.2, 1.28, 1.36]
    assert axes.lines[0].get_xdata().tolist() == [31.0, 33.0, 35.0]
    assert axes.get_xlabel() == "latitude [°N]"
    without = latitude_figure(FOUND, 0, "K", None)
    assert without is not None and without.axes[0].get_xlabel() == "row"


def test_power_and_its_ratio_to_the_truth() -> None:
    figure = spectrum_figure(FOUND, 0, 4)
    assert figure is not None
    model, bicubic, truth = ARRAYS["spectra"][:, 0]
    upper, lower = (lines(axes) for axes in figure.axes)
    assert upper["HR"] == pytest.approx(truth)
    assert upper["model"] == pytest.approx(model)
    assert lower["bicubic"] == pytest.approx(10 * np.log10(bicubic / truth))


def test_spectra_of_fields_and_errors_in_one_picture() -> None:
    truth = np.stack([WAVES**-3.0] * 2)
    fields, errors = (RANDOM.uniform(0.1, 0.9, (3, 2, 16)) * truth for _ in range(2))
    maps = RANDOM.normal(size=(2, 3, 2, 6, 8))
    found = Diagnostics(fields, errors, truth, maps[0], np.abs(maps[1]))
    figure = error_spectrum_figure(found, 1, "linear", {"model": {"cells": 4.0}})
    assert figure is not None
    drawn = lines(figure.axes[0])
    assert drawn["HR"] == pytest.approx(truth[1])
    for place, name in enumerate(("model", "linear filter", "bicubic")):
        assert drawn[name] == pytest.approx(fields[place, 1])
        assert drawn[f"error of {name}"] == pytest.approx(errors[place, 1])
    # A wavelength of 4 cells is that of wavenumber 8 on 32 points.
    upright = [line for line in figure.axes[0].lines if len({*line.get_xdata()}) == 1]
    assert [line.get_xdata()[0] for line in upright] == [8.0]
    figure = error_maps_figure(found, 1, "linear", "K", None, None)
    assert figure is not None
    panels = [np.asarray(axes.images[0].get_array()) for axes in figure.axes[:4]]
    for panel, values in zip(panels, [*maps[0, :2, 1], *np.abs(maps[1, :2, 1])], strict=True):
        assert np.sort(panel, axis=None) == pytest.approx(np.sort(values, axis=None))


def test_bars_by_distance_from_the_coast() -> None:
    rows = [
        {"from": low, "to": high, "unit": "km", "model": {"rmse": ours}, "best": {"rmse": theirs}}
        for low, high, ours, theirs in ((0, 25, 0.3, 0.4), (25, 50, 0.2, 0.1), (50, None, 0.1, 0.2))
    ]
    figure = coast_figure(rows, "bicubic", "K")
    assert figure is not None
    assert bars(figure.axes[0]) == [[0.3, 0.2, 0.1], [0.4, 0.1, 0.2]]
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["0–25", "25–50", "> 50"]


def test_ranks_and_spread_against_error() -> None:
    told = {"rank_histogram": [0.5, 0.3, 0.2], "spread": [0.1, 0.3], "rmse": [0.2, 0.4],
            "points": [10, 40]}  # fmt: skip
    left, right = calibration_figure(told, "K").axes
    assert bars(left) == [[0.5, 0.3, 0.2]]
    offsets = np.asarray(right.collections[0].get_offsets())
    assert offsets.tolist() == [[0.1, 0.2], [0.3, 0.4]]


def entry(ours: float, ends: tuple[float, float] | None, **limits: Any) -> dict[str, Any]:
    rmse = None if ends is None else {"model": ends, "best": (0.0, 1.0), "bicubic": (0.0, 2.0)}
    methods = {name: {"rmse": ours} for name in ("model", "best", "bicubic")}
    return {**limits, **methods, "interval": {"rmse": rmse}}


def test_whiskers_are_the_intervals() -> None:
    """A month without one is marked, and the axis says so."""
    months = [entry(0.3, (0.1, 0.6), month=1), entry(0.3, None, month=2)]
    figure = month_figure(FOUND, 1, "K", months)
    assert figure is not None
    (axes,) = figure.axes
    (drawn,) = [path.vertices[:, 1].tolist() for path in axes.collections[0].get_paths()]
    assert drawn == pytest.approx([0.1, 0.6])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert [label.endswith("*") for label in labels] == [False, True]
    assert axes.get_xlabel() == "month; 95 % intervals; *: too few steps for one"
    rows = [
        entry(0.3, (0.2, 0.5), **{"from": low, "to": low + 25, "unit": "km"}) for low in (0, 25)
    ]
    coast = coast_figure(rows, "linear", "K")
    assert coast is not None
    drawn = [path.vertices[:, 1].tolist() for path in coast.axes[0].collections[0].get_paths()]
    assert drawn == [pytest.approx([0.2, 0.5])] * 2
    few = [one | {"interval": {"rmse": None}} for one in rows]
    without = coast_figure(few, "linear", "K")
    assert without is not None and not without.axes[0].collections
    assert without.axes[0].get_xlabel().endswith("too few steps for intervals")


def test_bands_of_latitude_are_drawn_with_their_intervals() -> None:
    bands = [entry(0.3, (0.2, 0.5), **{"from": at, "to": at + 2.0}) for at in (30.0, 32.0)]
    figure = latitude_figure(FOUND, 0, "K", np.linspace(50, 30, 32), bands)
    assert figure is not None
    (axes,) = figure.axes
    assert axes.lines[0].get_xdata().tolist() == [31.0, 33.0]
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.2, 0.5)
