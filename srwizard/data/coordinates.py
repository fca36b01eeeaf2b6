"""The coordinates of a grid, and the way to a coarser one: cropping, block means, weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.data.bands import bands
from srwizard.data.block_sums import block_sums, segment_sums

FloatArray = npt.NDArray[np.floating[Any]]

COORDINATE_TOLERANCE_DEGREES = 1e-4
"""Files of one record often differ by the rounding of float32 longitudes (3e-5 degrees at 360)."""


@dataclass(frozen=True)
class Window:
    """The rows and the columns that are taken of a grid.

    Args:
        rows: one range.
        columns: one range, or the two on either side of the seam of a global grid, in order.
    """

    rows: slice
    columns: tuple[slice, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns are taken."""
        return (
            self.rows.stop - self.rows.start,
            sum(part.stop - part.start for part in self.columns),
        )

    def cropped(self, shape: tuple[int, int]) -> "Window":
        """Keep the first `shape` rows and columns."""
        rows, left = shape
        parts = []
        for part in self.columns:
            width = min(left, part.stop - part.start)
            if width:
                parts.append(slice(part.start, part.start + width))
            left -= width
        return Window(slice(self.rows.start, self.rows.start + rows), tuple(parts))


@dataclass(frozen=True)
class Grid:
    """The horizontal grid of a field.

    Args:
        shape: `(H, W)`.
        latitude: degrees north, `[H]` or `[H, W]`; None where the source has none.
        longitude: degrees east, `[W]` or `[H, W]`; None where the source has none.
    """

    shape: tuple[int, int]
    latitude: FloatArray | None
    longitude: FloatArray | None

    def matches(self, other: "Grid") -> bool:
        """Say whether both are the same grid, as far as their coordinates tell."""
        return self.shape == other.shape and all(
            mine is None or theirs is None or _same_coordinate(mine, theirs, period)
            for mine, theirs, period in (
                (self.latitude, other.latitude, None),
                (self.longitude, other.longitude, 360.0),
            )
        )

    def rectilinear(self) -> "Grid":
        """Return the grid with 1-D coordinates where 2-D ones say no more than these."""
        latitude, longitude = self.latitude, self.longitude
        if latitude is None or longitude is None or (latitude.ndim, longitude.ndim) != (2, 2):
            return self
        row, column = latitude[:, 0], longitude[0]
        if not (
            _same_coordinate(latitude, np.broadcast_to(row[:, None], self.shape))
            and _same_coordinate(longitude, np.broadcast_to(column, self.shape))
            and np.isfinite(row).all()
            and np.isfinite(column).all()
        ):
            return self
        return Grid(self.shape, row, column)

    def windowed(self, window: Window) -> "Grid":
        """Keep the rows and columns of `window`; longitudes go on across a seam (359, 360, ...)."""
        latitude, longitude = self.latitude, self.longitude
        if latitude is not None:
            latitude = latitude[window.rows] if latitude.ndim == 1 else _taken(latitude, window)
        if longitude is not None and longitude.ndim == 1:
            longitude = np.concatenate([longitude[part] for part in window.columns])
            if np.isfinite(longitude).all():
                longitude = np.unwrap(longitude, period=360.0)
        elif longitude is not None:
            longitude = _taken(longitude, window)
        return Grid(window.shape, latitude, longitude)

    def coarsened(self, scale: int) -> "Grid":
        """Return the grid of the block means; the shape must be a multiple of `scale`."""
        rows, columns = self.shape
        return Grid(
            (rows // scale, columns // scale),
            None if self.latitude is None else block_mean(self.latitude, scale),
            None if self.longitude is None else block_mean_longitude(self.longitude, scale),
        )


def _taken(values: FloatArray, window: Window) -> FloatArray:
    """Return the window of `[H, W]`."""
    return np.concatenate([values[window.rows, part] for part in window.columns], axis=1)


def divisible_shape(shape: tuple[int, int], scale: int) -> tuple[int, int]:
    """Return the largest shape within `shape` whose sides are multiples of `scale`.

    Raises:
        UsageError: a side is shorter than `scale`.
    """
    rows, columns = shape
    if min(shape) < scale:
        raise UsageError(
            _("The grid of {rows} x {columns} is too small for a scale of {scale}.",
              rows=rows, columns=columns, scale=scale),
            _("Choose a scale of at most {scale}.", scale=min(shape)),
        )  # fmt: skip
    return rows - rows % scale, columns - columns % scale


def block_mean(
    field: FloatArray, scale: int, weights: FloatArray | None = None
) -> npt.NDArray[np.float64]:
    """Average blocks of `scale` cells in every direction over the values that are there.

    Args:
        field: `[N]` or `[H, W]`, NaN where there is no value; sides are multiples of `scale`.
        scale: cells of a block along each direction.
        weights: of `field`'s shape, not negative; None weighs every cell alike.

    Returns:
        `[N / scale]` or `[H / scale, W / scale]`; NaN where a block has no value at all.
    """
    return np.concatenate(
        [
            band_mean(
                field[each], np.isnan(field[each]), scale,
                None if weights is None else weights[each],
            )
            for each in bands(field, scale)
        ]
    )  # fmt: skip


def band_mean(
    field: FloatArray,
    missing: npt.NDArray[np.bool_],
    scale: int,
    weights: FloatArray | None = None,
) -> npt.NDArray[np.float64]:
    """Average the blocks of a band of rows, of which it is known where there is no value.

    It is gone through at once: see `block_mean`, which this is a part of.
    """
    cells = scale**field.ndim
    if weights is None and not missing.any():
        whole: npt.NDArray[np.float64] = _block_sum(field, scale) / cells
        return whole
    values = field.astype(np.float64)
    np.copyto(values, 0, where=missing)
    if weights is not None:
        weight = np.where(missing, 0.0, weights)
        return _divided(_block_sum(values * weight, scale), _block_sum(weight, scale))
    absent = _block_sum(missing, scale, np.min_scalar_type(cells))
    return _divided(_block_sum(values, scale), cells - absent)


def _block_sum(
    values: npt.NDArray[Any], scale: int, dtype: npt.DTypeLike = np.float64
) -> npt.NDArray[Any]:
    """Add up blocks of `[N]` or `[H, W]` in `dtype`."""
    return (block_sums if values.ndim == 2 else segment_sums)(values, scale, dtype)


def block_mean_longitude(longitude: FloatArray, scale: int) -> npt.NDArray[np.float64]:
    """Average longitudes in degrees, blocks across the seam (359, 1) included.

    The result keeps the source's convention: it is moved by 360 degrees only where that brings a
    mean from outside the source's range into it.

    Args:
        longitude: `[W]` or `[H, W]`; sides are multiples of `scale`.
        scale: cells of a block along each direction.

    Returns:
        `[W / scale]` or `[H / scale, W / scale]`.
    """
    blocks = _blocks(longitude, scale).astype(np.float64)
    first_valid = np.argmax(~np.isnan(blocks), axis=-1)[..., None]
    reference = np.take_along_axis(blocks, first_valid, axis=-1)
    offsets = (blocks - reference + 180.0) % 360.0 - 180.0
    valid = ~np.isnan(offsets)
    shift = _divided(np.where(valid, offsets, 0.0).sum(axis=-1), valid.sum(axis=-1))
    mean: npt.NDArray[np.float64] = reference[..., 0] + shift
    if np.isnan(longitude).all():
        return mean
    west, east = float(np.nanmin(longitude)), float(np.nanmax(longitude))
    mean[(mean > east) & (mean - 360.0 >= west)] -= 360.0
    mean[(mean < west) & (mean + 360.0 <= east)] += 360.0
    return mean


def cell_weights(grid: Grid) -> npt.NDArray[np.float64]:
    """Return `[H, W]` weights in proportion to the area of a cell: the cosine of its latitude.

    Raises:
        DatasetError: the grid has no latitude, or not a sound one everywhere.
    """
    if grid.latitude is None:
        raise DatasetError(
            _("Area weights need a latitude coordinate, and the sources have none."),
            _("Leave area weights out, or add a latitude with units degrees_north."),
        )
    latitude = grid.latitude.astype(np.float64)
    if not bool(np.all(np.abs(latitude) <= 90.0 + COORDINATE_TOLERANCE_DEGREES)):
        raise DatasetError(
            _("Area weights need a latitude between -90 and 90 degrees in every cell."),
            _("Leave area weights out, or correct the latitude coordinate."),
        )
    # A cell centred on the pole has an area too; zero would turn a block of poles into a gap.
    weights = np.maximum(np.cos(np.deg2rad(latitude)), np.finfo(np.float64).tiny)
    column = weights[:, None] if weights.ndim == 1 else weights
    return np.array(np.broadcast_to(column, grid.shape))


def _blocks(values: FloatArray, scale: int) -> FloatArray:
    """Return `[N / scale, scale]` or `[H / scale, W / scale, scale * scale]`."""
    if values.ndim == 1:
        return values.reshape(-1, scale)
    rows, columns = (side // scale for side in values.shape)
    tiles = values.reshape(rows, scale, columns, scale).swapaxes(1, 2)
    return tiles.reshape(rows, columns, scale * scale)


def _divided(total: npt.NDArray[np.float64], count: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return `total / count`, NaN where `count` is 0."""
    means = np.full(total.shape, np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def _same_coordinate(first: FloatArray, second: FloatArray, period: float | None = None) -> bool:
    """Compare coordinates; -100 and 260 degrees of longitude are the same."""
    if first.shape != second.shape:
        return False
    whole_turns = 0.0 if period is None else np.round((first - second) / period) * period
    return bool(
        np.allclose(
            first - whole_turns, second, rtol=0, atol=COORDINATE_TOLERANCE_DEGREES, equal_nan=True
        )
    )
