"""From one grid of longitudes and latitudes to another, gaps left out of every mean."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.coordinates import FloatArray, Grid
from srwizard.data.fields import FloatField
from srwizard.data.longitudes import repeats_its_beginning

LEAST_SHARE = 0.5
"""A cell has a value where at least so much of its weight has one."""

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Regrid:
    """Weights along rows `[h, H]` and columns `[w, W]`; a row of zeros lies outside the source."""

    rows: Weights
    columns: Weights

    def __call__(self, field: FloatField) -> FloatField:
        """Return `[h, w]` of `[H, W]`, NaN where too little of a cell has a value."""
        valid = np.isfinite(field)
        total = self.rows @ np.where(valid, field, 0.0) @ self.columns.T
        weight = self.rows @ valid.astype(np.float64) @ self.columns.T
        found = np.full(total.shape, np.nan, np.float32)
        np.divide(total, weight, out=found, where=weight >= LEAST_SHARE, casting="same_kind")
        return found


def regrid(source: Grid, target: Grid, method: str) -> Regrid:
    """Return how fields come from one grid to another.

    Args:
        source, target: with 1-D latitudes and longitudes.
        method: a name of `lr_methods.REGRIDDING`.

    Raises:
        DatasetError: a grid is curvilinear or has no coordinates; the two do not overlap.
    """
    for name, grid in ((_("the LR product"), source), ("HR", target)):
        axes = (grid.latitude, grid.longitude)
        if any(axis is None for axis in axes):
            raise DatasetError(
                _("An LR product is regridded by latitudes and longitudes, and {name} has none.",
                  name=name),
                _("Add a latitude with units degrees_north and a longitude with degrees_east."),
            )  # fmt: skip
        if any(axis is not None and axis.ndim != 1 for axis in axes):
            raise DatasetError(
                _("An LR product can be regridded only between grids whose rows have one "
                  "latitude and whose columns have one longitude; {name} is on a curvilinear "
                  "grid.", name=name),
                _("Interpolate it to a grid of latitudes and longitudes first, e.g. with cdo "
                  "remapcon."),
            )  # fmt: skip
    assert source.latitude is not None and source.longitude is not None
    assert target.latitude is not None and target.longitude is not None
    weights: Callable[[FloatArray, FloatArray, bool], Weights] = {
        "conservative": _overlaps, "bilinear": _linear, "nearest": _nearest,
    }[method]  # fmt: skip
    for grid in (source, target):
        if min(grid.shape) < 2:
            raise DatasetError(
                _("LR would be, or the LR product is, {rows} x {columns} cells: how large a cell "
                  "is shows only in two along each direction.",
                  rows=grid.shape[0], columns=grid.shape[1]),
                _("Choose a smaller scale, or a larger region."),
            )  # fmt: skip
    for axis in (source.latitude, source.longitude):
        if not np.isfinite(axis).all():
            raise DatasetError(
                _("The latitudes or longitudes of the LR product are not all there."),
                _("Complete the coordinates of its grid."),
            )
    found = Regrid(
        _in_any_order(weights, source.latitude, target.latitude, False),
        _of_columns(weights, source.longitude, target.longitude),
    )
    if not (found.rows.any() and found.columns.any()):
        raise DatasetError(
            _("The LR product and HR do not overlap: latitudes {lr_south:g} to {lr_north:g} and "
              "{hr_south:g} to {hr_north:g}, longitudes {lr_west:g} to {lr_east:g} and "
              "{hr_west:g} to {hr_east:g}.",
              **_bounds("lr", source), **_bounds("hr", target)),
            _("Give products of the same region."),
        )  # fmt: skip
    return found


def _of_columns(
    weights: Callable[[FloatArray, FloatArray, bool], Weights],
    source: FloatArray,
    target: FloatArray,
) -> Weights:
    """Return the weights along longitudes, which may jump by 360 degrees (359.5, 0.5, ...).

    A last column that is the first one again, around the globe, counts nothing.
    """
    once = source[:-1] if repeats_its_beginning(source) else source
    found = _in_any_order(
        weights, np.unwrap(once, period=360.0), np.unwrap(target, period=360.0), True
    )
    return np.pad(found, ((0, 0), (0, len(source) - len(once))))


def _in_any_order(
    weights: Callable[[FloatArray, FloatArray, bool], Weights],
    source: FloatArray,
    target: FloatArray,
    periodic: bool,
) -> Weights:
    """Return the weights of a source whose neighbours need not be neighbours in the array."""
    order = np.argsort(source, kind="stable")
    found: Weights = np.empty((len(target), len(source)))
    found[:, order] = weights(source[order], target, periodic)
    return found


def _bounds(level: str, grid: Grid) -> dict[str, float]:
    assert grid.latitude is not None and grid.longitude is not None
    return {
        f"{level}_south": float(grid.latitude.min()),
        f"{level}_north": float(grid.latitude.max()),
        f"{level}_west": float(grid.longitude.min()),
        f"{level}_east": float(grid.longitude.max()),
    }


def _nearest(source: FloatArray, target: FloatArray, periodic: bool) -> Weights:
    low, high = _edges(source)
    offsets = _offsets(source, target, periodic)
    nearest = np.abs(offsets).argmin(axis=1)
    within = np.abs(offsets[np.arange(len(target)), nearest]) <= (high - low)[nearest] / 2 + 1e-9
    weights = np.zeros(offsets.shape)
    weights[np.arange(len(target))[within], nearest[within]] = 1.0
    return weights


def _linear(source: FloatArray, target: FloatArray, periodic: bool) -> Weights:
    offsets = _offsets(source, target, periodic)  # source minus target
    weights = np.zeros(offsets.shape)
    below = np.where(offsets <= 1e-9, offsets, -np.inf)
    above = np.where(offsets >= -1e-9, offsets, np.inf)
    for place, (left, right) in enumerate(
        zip(below.argmax(axis=1), above.argmin(axis=1), strict=True)
    ):
        start, stop = below[place, left], above[place, right]
        if not np.isfinite(start - stop) or stop - start > 2 * np.median(np.abs(np.diff(source))):
            continue  # outside, or the gap of a grid that does not reach around the globe
        share = -start / (stop - start) if stop - start > 1e-9 else 0.0
        weights[place, left] += 1 - share
        weights[place, right] += share
    outside = ~weights.any(axis=1)
    # Half a cell beyond the outermost centres still belongs to these.
    weights[outside] = _nearest(source, target, periodic)[outside]
    return weights


def _overlaps(source: FloatArray, target: FloatArray, periodic: bool) -> Weights:
    low, high = _edges(source)
    start, stop = _edges(target)
    if not periodic:  # the area between two latitudes goes with their sines
        low, high, start, stop = (
            np.sin(np.deg2rad(np.clip(each, -90, 90))) for each in (low, high, start, stop)
        )
    total = np.zeros((len(target), len(source)))
    for shift in (-720.0, -360.0, 0.0, 360.0, 720.0) if periodic else (0.0,):
        common = np.minimum(stop[:, None], high + shift) - np.maximum(start[:, None], low + shift)
        total += np.maximum(common, 0.0)
    shares: Weights = total / (stop - start)[:, None]
    return shares


def _offsets(source: FloatArray, target: FloatArray, periodic: bool) -> Weights:
    """Return `[target, source]` source minus target, the short way around the globe."""
    found: Weights = np.asarray(source[None, :] - target[:, None], np.float64)
    return (found + 180.0) % 360.0 - 180.0 if periodic else found


def _edges(centres: FloatArray) -> tuple[Weights, Weights]:
    """Return the lower and the upper edge of each cell, half way to its neighbours."""
    values = np.asarray(centres, np.float64)
    middles = (values[1:] + values[:-1]) / 2
    first, last = 2 * values[0] - middles[0], 2 * values[-1] - middles[-1]
    edges = np.concatenate([[first], middles, [last]])
    return np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
