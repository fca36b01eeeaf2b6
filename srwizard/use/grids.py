"""The grids of a run: where its points lie, and whether an input lies there too."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.data.coordinates import FloatArray, Grid

TOLERANCE_DEGREES = 1e-4
TOLERANCE_SHARE = 0.01
"""Coordinates may differ by this share of the distance of neighbouring points."""


@dataclass(frozen=True)
class Difference:
    """How an input's grid differs from that of the training: in what, and both sides of it."""

    what: str
    found: str
    expected: str


def difference(grid: Grid, training: Grid) -> Difference | None:
    """Say how `grid` differs from that of the training; None: not, as far as both are known."""
    if grid.shape != training.shape:
        return Difference(_("shape"), _shape_text(grid.shape), _shape_text(training.shape))
    pairs = (
        (_("latitude"), grid.latitude, training.latitude, False),
        (_("longitude"), grid.longitude, training.longitude, True),
    )
    for what, mine, theirs, around in pairs:
        if mine is not None and theirs is not None and not _agree(mine, theirs, grid, around):
            return Difference(what, _range_text(mine), _range_text(theirs))
    return None


def refusal(where: str, found: Difference, *, why: str) -> DatasetError:
    """Return the error of an input on another grid."""
    return DatasetError(
        _("{where} is on a different grid from the training: {what} {found}, expected {expected}",
          where=where, what=found.what, found=found.found, expected=found.expected),
        _("{why} Bring the input onto the low-resolution grid of the training first, e.g. with "
          "cdo remapcon.", why=why),
    )  # fmt: skip


def refuse_flipped(where: str, grid: Grid, training: Grid) -> None:
    """Refuse an input whose rows or columns run the other way than in the training.

    Raises:
        DatasetError: they do; says how to turn them round.
    """
    sides = (
        ("lat", 0, grid.latitude, training.latitude, N_(
            "{where} is upside down: its latitudes run from {found}, those of the training from "
            "{expected}")),
        ("lon", 1, grid.longitude, training.longitude, N_(
            "{where} is mirrored: its longitudes run from {found}, those of the training from "
            "{expected}")),
    )  # fmt: skip
    for name, axis, mine, theirs, message in sides:
        if mine is None or theirs is None or _direction(mine, axis) * _direction(theirs, axis) >= 0:
            continue
        raise DatasetError(
            _(message, where=where, found=_range_text(mine), expected=_range_text(theirs)),
            _("Flip it first: ncpdq -a -{name} IN.nc OUT.nc, or in xarray "
              "ds.isel({name}=slice(None, None, -1)), with the name of the dimension in the "
              "file.",
              name=name),
        )  # fmt: skip


def _direction(values: FloatArray, axis: int) -> float:
    """Return 1 where a coordinate `[N]` or `[H, W]` rises along an axis of the grid, -1, or 0."""
    steps = np.diff(values.astype(np.float64), axis=axis if values.ndim == 2 else 0)
    steps = (steps[np.isfinite(steps)] + 180) % 360 - 180
    return float(np.sign(np.median(steps))) if steps.size else 0.0


def refined(grid: Grid, scale: int) -> Grid:
    """Return the grid whose blocks of `scale` x `scale` cells are the cells of `grid`.

    Between the centres of cells coordinates are linear, beyond the outermost they go on as there.
    """
    rows, columns = (side * scale for side in grid.shape)
    latitude, longitude = grid.latitude, grid.longitude
    if latitude is not None:
        latitude = np.clip(_refined(latitude.astype(np.float64), scale), -90, 90)
    if longitude is not None:
        longitude = _refined(unwrapped(longitude), scale)
    return Grid((rows, columns), latitude, longitude)


def unwrapped(longitude: FloatArray) -> npt.NDArray[np.float64]:
    """Return longitudes `[W]` or `[H, W]` that do not jump where the map ends: 179, 181."""
    values = longitude.astype(np.float64)
    for axis in reversed(range(values.ndim)):
        values = np.unwrap(values, period=360, axis=axis)
    return values


def _refined(values: npt.NDArray[np.float64], scale: int) -> npt.NDArray[np.float64]:
    for axis in range(values.ndim):
        values = np.moveaxis(_refined_first(np.moveaxis(values, axis, 0), scale), 0, axis)
    return values


def _refined_first(values: npt.NDArray[np.float64], scale: int) -> npt.NDArray[np.float64]:
    """Refine `[N, ...]` along its first axis, linearly."""
    count = len(values)
    if count == 1:
        return np.repeat(values, scale, axis=0)
    place = (np.arange(count * scale) + 0.5) / scale - 0.5
    before = np.clip(np.floor(place).astype(int), 0, count - 2)
    weight = (place - before).reshape(-1, *([1] * (values.ndim - 1)))
    result: npt.NDArray[np.float64] = values[before] * (1 - weight) + values[before + 1] * weight
    return result


def _agree(mine: FloatArray, theirs: FloatArray, grid: Grid, around: bool) -> bool:
    """Compare two coordinates `[N]` or `[H, W]`; longitudes may differ by whole turns."""
    if mine.shape != theirs.shape:
        axis = 0 if around else 1
        mine, theirs = (
            np.broadcast_to(np.expand_dims(part, axis), grid.shape) if part.ndim == 1 else part
            for part in (mine, theirs)
        )
    apart = mine - theirs
    if around:
        apart = (apart + 180) % 360 - 180
        theirs = unwrapped(theirs)
    steps = [np.abs(np.diff(theirs, axis=axis)) for axis in range(theirs.ndim)]
    spacing = max((float(np.nanmedian(step)) for step in steps if step.size), default=0.0)
    known = np.isfinite(apart)
    tolerance = max(TOLERANCE_DEGREES, TOLERANCE_SHARE * spacing)
    return bool((np.abs(apart[known]) <= tolerance).all())


def _shape_text(shape: tuple[int, int]) -> str:
    return f"[{shape[0]}, {shape[1]}]"


def _range_text(values: FloatArray) -> str:
    first, last = float(values.flat[0]), float(values.flat[-1])
    return _("{first:.6g} to {last:.6g}", first=first, last=last)
