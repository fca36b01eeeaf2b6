"""Where the cells of a field lie on the map."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.ticker import FuncFormatter, MaxNLocator

from srwizard.report.records import FloatArray

# A field much longer than wide would be a line on paper: beyond these it is stretched.
FLATTEST, STEEPEST = 1 / 11, 4.0
DEGREE_STEPS = (1, 1.5, 2, 3, 6, 10)
CELL_STEPS = (1, 2, 4, 5, 10)
# Half the width of a tick label, in inches.
LABEL_HALF = 0.22


@dataclass(frozen=True)
class Grid:
    """Corners of the cells: `[W+1]` and `[H+1]`, or both `[H+1, W+1]` on a curvilinear grid."""

    x: FloatArray
    y: FloatArray
    geographic: bool

    @property
    def natural_aspect(self) -> float:
        """Height over width, a degree of longitude shrunk as it is at the middle latitude."""
        width, height = float(np.ptp(self.x)), float(np.ptp(self.y))
        if self.geographic:
            middle = (float(self.y.max()) + float(self.y.min())) / 2
            width *= max(np.cos(np.deg2rad(middle)), 0.1)
        return height / width

    @property
    def aspect(self) -> float:
        """Height over width on paper, kept within what can be read."""
        return min(max(self.natural_aspect, FLATTEST), STEEPEST)

    @property
    def stretch(self) -> float:
        """How many times taller the map is drawn than it is."""
        return self.aspect / self.natural_aspect

    def draw(
        self, axes: Axes, values: FloatArray, colormap: Colormap, limits: tuple[float, float]
    ) -> None:
        """Draw a field whose size divides the grid's; `colormap` colours what has no value."""
        rows, columns = values.shape
        x, y = _every(self.x, columns, 1), _every(self.y, rows, 0)
        if x.ndim == 2:
            x, y = _every(x, rows, 0), _every(y, columns, 1)
        else:
            # Images are laid out west to east and south to north whichever way the data run.
            if x[0] > x[-1]:
                x, values = x[::-1], values[:, ::-1]
            if y[0] > y[-1]:
                y, values = y[::-1], values[::-1]
        lowest, highest = limits
        axes.pcolorfast(
            x, y, np.ma.masked_invalid(values), cmap=colormap, vmin=lowest, vmax=highest
        )
        axes.set_xlim(float(self.x.min()), float(self.x.max()))
        axes.set_ylim(float(self.y.min()), float(self.y.max()))

    def label(self, axes: Axes, *, width: float, height: float) -> None:
        """Put ticks on a panel of this size in inches, degrees where the place is known."""
        steps = DEGREE_STEPS if self.geographic else CELL_STEPS
        x_ticks = _ticks(axes.get_xlim(), max(2, round(width / 0.7)), steps)
        # A label at the right edge would run into the first one of the next panel.
        left, right = axes.get_xlim()
        last = right - LABEL_HALF * (right - left) / width
        axes.set_xticks([tick for tick in x_ticks if tick <= last])
        axes.set_yticks(_ticks(axes.get_ylim(), max(2, round(height / 0.4)), steps))
        if self.geographic:
            axes.xaxis.set_major_formatter(FuncFormatter(_degrees(_longitude)))
            axes.yaxis.set_major_formatter(FuncFormatter(_degrees(_latitude)))


def grid_of(shape: tuple[int, int], lon: FloatArray | None, lat: FloatArray | None) -> Grid:
    """Return the grid of a field, counted in cells where its coordinates cannot be used."""
    rows, columns = shape
    if lon is not None and lat is not None:
        grid = _geographic(shape, np.asarray(lon, np.float64), np.asarray(lat, np.float64))
        if grid is not None:
            return grid
    return Grid(np.arange(columns + 1.0), np.arange(rows + 1.0), geographic=False)


def _geographic(shape: tuple[int, int], lon: FloatArray, lat: FloatArray) -> Grid | None:
    rows, columns = shape
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    if lon.shape == (columns,) and lat.shape == (rows,):
        lon = np.unwrap(lon, period=360)
        if not (_monotonic(lon) and _monotonic(lat)):
            return None
        return Grid(_corners(lon, 0), _corners(lat, 0), geographic=True)
    if lon.ndim == 1 and lat.ndim == 2:
        lon = np.broadcast_to(lon, shape) if lon.shape == (columns,) else lon
    if lat.ndim == 1 and lon.ndim == 2:
        lat = np.broadcast_to(lat[:, None], shape) if lat.shape == (rows,) else lat
    if lon.shape != shape or lat.shape != shape:
        return None
    # The date line is no edge of a map: longitudes go on beyond 180 instead of jumping.
    lon = np.unwrap(np.unwrap(lon, period=360, axis=1), period=360, axis=0)
    x, y = (_corners(_corners(centres, 0), 1) for centres in (lon, lat))
    flat = not (np.ptp(x) > 0 and np.ptp(y) > 0)
    return None if flat else Grid(x, y, geographic=True)


def _ticks(limits: tuple[float, float], count: int, steps: Sequence[float]) -> list[float]:
    lowest, highest = limits
    ticks = MaxNLocator(count, steps=steps).tick_values(lowest, highest)
    return [float(tick) for tick in ticks if lowest <= tick <= highest]


def _monotonic(values: FloatArray) -> bool:
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())


def _corners(centres: FloatArray, axis: int) -> FloatArray:
    """Return the midpoints between neighbours, and one more at either end."""
    centres = np.moveaxis(centres, axis, 0)
    half = np.diff(centres, axis=0) / 2 if len(centres) > 1 else np.full_like(centres, 0.5)
    corners = np.concatenate(
        [
            centres[:1] - half[:1],
            (centres[:-1] + centres[1:]) / 2,
            centres[-1:] + half[-1:],
        ]
    )
    return np.moveaxis(corners, 0, axis)


def _every(corners: FloatArray, cells: int, axis: int) -> FloatArray:
    """Keep the corners of `cells` equal blocks of cells along an axis."""
    axis = min(axis, corners.ndim - 1)
    step = (corners.shape[axis] - 1) // cells
    return corners[::step] if axis == 0 else corners[:, ::step]


def _degrees(hemisphere: Callable[[float], tuple[float, str]]) -> Callable[[float, int], str]:
    def label(value: float, position: int) -> str:
        degrees, letter = hemisphere(value)
        return f"{round(degrees, 4):g}°{letter}"

    return label


def _longitude(value: float) -> tuple[float, str]:
    east = round((value + 180) % 360 - 180, 6)
    if east in (0, -180):
        return abs(east), ""
    return abs(east), "E" if east > 0 else "W"


def _latitude(value: float) -> tuple[float, str]:
    if abs(value) < 1e-6:
        return 0.0, ""
    return abs(value), "N" if value > 0 else "S"
