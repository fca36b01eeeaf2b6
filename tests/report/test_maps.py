"""Maps lie the right way up, in the right shape and colours."""

import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from made_up_run import sample_arrays
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from srwizard.report.colours import LAND, colours_of, error_colours
from srwizard.report.grid import grid_of
from srwizard.report.maps import BAND, SQUARE, TALL, WIDE, layout_for, sample_figure
from srwizard.report.plots import figure_style, figure_text, png
from srwizard.report.records import FIELDS, FloatArray, Samples


def samples_of(
    shape: tuple[int, int] = (32, 32),
    scale: int = 4,
    lon: FloatArray | None = None,
    lat: FloatArray | None = None,
) -> Samples:
    arrays = sample_arrays(shape, scale, ("temp",))
    fields = {name: arrays[name].astype(np.float64) for name in FIELDS}
    return Samples(["2010-01-16"], ["temp"], ["°C"], fields, lon, lat)


def draw(samples: Samples) -> tuple[Figure, npt.NDArray[np.float64]]:
    """Return the figure and its pixels, `[row, column, RGB]` from the top."""
    with figure_style():
        figure = sample_figure(samples, 0, 0)
        content = png(figure)
    return figure, np.asarray(imread(io.BytesIO(content)), np.float64)[..., :3]


def pixel(
    pixels: npt.NDArray[np.float64], axes: Axes, x: float, y: float
) -> npt.NDArray[np.float64]:
    """Return the colour at a place in a panel, given as fractions from the lower left."""
    box = axes.get_position()
    row = (1 - box.y0 - y * box.height) * pixels.shape[0]
    column = (box.x0 + x * box.width) * pixels.shape[1]
    colour: npt.NDArray[np.float64] = pixels[int(row), int(column)]
    return colour


def is_land(colour: npt.NDArray[np.float64]) -> bool:
    return bool(np.allclose(colour, to_rgb(LAND), atol=0.01))


LON = np.linspace(170.0, 190.0, 32)
LAT = np.linspace(30.0, 50.0, 32)


def test_land_is_drawn_as_land() -> None:
    figure, pixels = draw(samples_of())
    for axes in figure.axes[:6]:
        assert is_land(pixel(pixels, axes, 0.25, 0.25))
        assert not is_land(pixel(pixels, axes, 0.75, 0.25))
        assert not is_land(pixel(pixels, axes, 0.25, 0.75))


@pytest.mark.parametrize(
    ("lon", "lat", "land"),
    [
        (LON, LAT, (0.25, 0.25)),
        (LON, LAT[::-1], (0.25, 0.75)),
        (LON[::-1], LAT, (0.75, 0.25)),
        (LON, LAT**2 / 50, (0.2, 0.2)),
        (LON, (LAT**2 / 50)[::-1], (0.2, 0.8)),
        (*np.meshgrid(LON, LAT[::-1]), (0.25, 0.75)),
        (LON, np.broadcast_to(LAT[::-1, None], (32, 32)), (0.25, 0.75)),
    ],
)
def test_north_is_up_and_east_is_right(
    lon: FloatArray, lat: FloatArray, land: tuple[float, float]
) -> None:
    figure, pixels = draw(samples_of(lon=lon, lat=lat))
    x, y = land
    for axes in figure.axes[:6]:
        assert is_land(pixel(pixels, axes, x, y))
        assert not is_land(pixel(pixels, axes, 1 - x, 1 - y))


def test_curvilinear_grid_leaves_its_outside_open() -> None:
    lon, lat = np.meshgrid(LON, LAT)
    figure, pixels = draw(samples_of(lon=lon + (lat - 30), lat=lat))
    colour = pixel(pixels, figure.axes[3], 0.02, 0.98)
    assert not is_land(colour)
    assert colour.min() > 0.9


def test_longitudes_go_on_across_the_date_line() -> None:
    wrapped = (LON + 180) % 360 - 180
    grid = grid_of((32, 32), wrapped, LAT)
    assert grid.geographic
    assert np.ptp(grid.x) < 21
    figure, _ = draw(samples_of(lon=wrapped, lat=LAT))
    labels = [text.get_text() for text in figure.axes[3].get_xticklabels()]
    assert labels == ["174°E", "180°", "174°W"]


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        (None, LAT),
        (LON[:5], LAT),
        (np.where(LON > 180, np.nan, LON), LAT),
        (LON, np.zeros(32)),
        (np.zeros((32, 32)), np.zeros((32, 32))),
    ],
)
def test_useless_coordinates_give_way_to_cells(
    lon: FloatArray | None, lat: FloatArray | None
) -> None:
    grid = grid_of((32, 32), lon, lat)
    assert not grid.geographic
    assert grid.x[-1] == 32


def test_very_wide_field_is_stacked_and_legible() -> None:
    figure, pixels = draw(samples_of((18, 432), 2))
    tops = [axes.get_position().y0 for axes in figure.axes[:6]]
    assert tops == sorted(tops, reverse=True)
    width, height = figure.get_size_inches()
    box = figure.axes[0].get_position()
    assert box.width * width > 7
    assert box.height * height > 0.6
    assert any("stretched" in text.get_text() for text in figure.texts)
    assert is_land(pixel(pixels, figure.axes[3], 0.25, 0.25))


def test_layout_follows_the_aspect() -> None:
    aspects = (1 / 11, 0.5, 1.0, 3.0)
    assert [layout_for(aspect) for aspect in aspects] == [BAND, WIDE, SQUARE, TALL]


@pytest.mark.parametrize("shape", [(16, 32), (64, 16)])
def test_panels_and_bars_do_not_overlap_and_stay_on_the_page(shape: tuple[int, int]) -> None:
    figure, _ = draw(samples_of(shape))
    boxes = [axes.get_position() for axes in figure.axes]
    for index, box in enumerate(boxes):
        assert box.x0 > 0 and box.y0 > 0 and box.x1 < 1 and box.y1 < 1
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_fields_share_limits_and_errors_are_symmetric() -> None:
    figure, _ = draw(samples_of())
    limits = [axes.images[0].get_clim() for axes in figure.axes[:6]]
    assert len(set(limits[:4])) == 1
    assert limits[4] == limits[5]
    assert limits[4][0] == -limits[4][1]
    assert limits[4][1] == pytest.approx(0.2, rel=1e-4)


def with_best(shape: tuple[int, int], name: str = "climatology+linear") -> Samples:
    samples = samples_of(shape)
    fields = {**samples.fields, "best": samples.fields["hr"] + 0.15}
    return replace(samples, fields=fields, best_names=[name])


@pytest.mark.parametrize("shape", [(32, 32), (16, 32)])
def test_the_best_simple_method_stands_beside_bicubic(shape: tuple[int, int]) -> None:
    figure, _ = draw(with_best(shape))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[1:4] == ["bicubic", "climatology+linear filter", "SR"]
    errors = [float(title.split("RMSE ")[1]) for title in titles[5:8]]
    assert errors == pytest.approx([0.2, 0.15, 0.1], rel=0.01)
    boxes = [axes.get_position() for axes in figure.axes]
    for index, box in enumerate(boxes):
        assert box.x0 > 0 and box.y0 > 0 and box.x1 < 1 and box.y1 < 1
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
    limits = [axes.images[0].get_clim() for axes in figure.axes[:8]]
    assert len(set(limits[:5])) == len(set(limits[5:])) == 1


@pytest.mark.parametrize("shape", [(16, 128), (96, 16)])
def test_where_there_is_room_for_one_it_is_the_best(shape: tuple[int, int]) -> None:
    figure, _ = draw(with_best(shape))
    titles = [axes.get_title(loc="left") for axes in figure.axes[:6]]
    assert "climatology+linear filter" in titles and "bicubic" not in titles


def test_bicubic_that_is_the_best_stands_there_once() -> None:
    figure, _ = draw(with_best((32, 32), "bicubic"))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles.count("bicubic") == 1
    assert len(figure.axes) == 8  # six maps, two bars


def test_field_of_land_only_is_drawn() -> None:
    samples = samples_of()
    for values in samples.fields.values():
        values[:] = np.nan
    figure, pixels = draw(samples)
    assert is_land(pixel(pixels, figure.axes[0], 0.5, 0.5))


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("temp", "thermal"),
        ("sea_water_potential_temperature", "thermal"),
        ("thetao_glor", "thermal"),
        ("analysed_sst", "thermal"),
        ("so", "haline"),
        ("SALT", "haline"),
        ("uo", "delta"),
        ("v", "delta"),
        ("current_speed", "speed"),
        ("zos", "viridis"),
    ],
)
def test_colours_follow_convention(variable: str, name: str) -> None:
    assert colours_of(variable, np.array([1.0, 2.0])).name == name


def test_unknown_variable_that_swings_about_zero_diverges() -> None:
    assert colours_of("mystery", np.array([-1.0, 1.0])).diverging


def test_constant_field_has_a_range() -> None:
    lowest, highest = colours_of("temp", np.ones(4)).limits(np.ones(4))
    assert lowest < 1 < highest
    assert error_colours().limits(np.zeros(4)) == (-0.5, 0.5)


def test_figure_text_avoids_letters_that_cannot_be_drawn() -> None:
    assert figure_text("온도", "variable 1") == "variable 1"
    assert figure_text("温度", "variable 1") == "温度"
    assert figure_text("°C m s⁻¹", "") == "°C m s⁻¹"
    assert figure_text("$x$", "") == r"\$x\$"
