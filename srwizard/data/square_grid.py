"""Whether a grid is as wide in one direction as in the other, so that a sample can be turned."""

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.data.layout import Contents
from srwizard.data.longitudes import longitude_steps
from srwizard.data.statics import read_static, static_files

TOLERANCE = 0.1
"""So much may the spacings differ, in km: on a grid of equal degrees, up to a latitude of 25."""
ALIGNED = 0.05
"""A direction counts as that of rows or columns if it strays from it by no more than this share."""
GEOGRAPHIC = ("lon", "lat")
PROJECTED = (("x", "y"), ("projection_x_coordinate", "projection_y_coordinate"))

Float64 = npt.NDArray[np.float64]


def handedness(contents: Contents, shape: tuple[int, int], *, vectors: bool) -> int:
    """Return how rows and columns of an HR grid may be exchanged.

    The spacing along rows has to be that along columns, everywhere within `TOLERANCE`: on a grid
    of longitudes and latitudes that of the kilometres, on a projected one that of x and y.

    Args:
        contents: the dataset.
        shape: `[H, W]` of HR.
        vectors: whether some variables are eastward and northward components, for which rows and
            columns have to run along these directions.

    Returns:
        1 where the coordinates grow along rows and columns alike, -1 where one of them falls, and
        0 where rows and columns cannot be exchanged, or nothing is known of the grid.
    """
    if min(shape) < 2:
        return 0
    coordinates = _coordinates(contents, shape)
    if coordinates is None:
        return 0
    (x_down, y_down), (x_across, y_across) = (_steps(*coordinates, axis) for axis in (0, 1))
    height, width = np.hypot(x_down, y_down), np.hypot(x_across, y_across)
    with np.errstate(divide="ignore", invalid="ignore"):
        equal = np.abs(width / height - 1) <= TOLERANCE
    if not equal.all():  # a NaN is not equal either
        return 0
    aligned = (np.abs(x_down) <= ALIGNED * height) & (np.abs(y_across) <= ALIGNED * width)
    if vectors and not aligned.all():
        return 0
    turns = np.sign(x_across * y_down - x_down * y_across)
    return int(turns.flat[0]) if (turns == turns.flat[0]).all() else 0


def _coordinates(
    contents: Contents, shape: tuple[int, int]
) -> tuple[Float64, Float64, bool] | None:
    """Return x and y `[H, W]`, and whether they are longitude and latitude; None: not known."""
    names = {name.lower(): name for name in static_files(contents, "hr")}
    geographic = tuple(
        next((name for name in names if name.startswith(one)), "") for one in GEOGRAPHIC
    )
    for pair in (*PROJECTED, geographic):
        if not set(pair) <= names.keys():
            continue
        try:
            x, y = (read_static(contents, "hr", names[name], shape) for name in pair)
        except DatasetError:
            return None
        return x, y, pair == geographic
    return None


def _steps(x: Float64, y: Float64, geographic: bool, axis: int) -> tuple[Float64, Float64]:
    """Return the steps eastward and northward between neighbours along `axis`, `[H-1, W-1]`."""
    dx, dy = np.diff(x, axis=axis), np.diff(y, axis=axis)
    if geographic:
        dx = longitude_steps(x, axis) * np.cos(
            np.deg2rad((np.delete(y, 0, axis) + np.delete(y, -1, axis)) / 2)
        )
    corner = slice(0, x.shape[0] - 1), slice(0, x.shape[1] - 1)
    return dx[corner], dy[corner]
