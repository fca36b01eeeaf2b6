"""Which dimension and coordinate of a NetCDF file mean what, by the CF conventions."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.data.prepare.levels import (
    LEVEL_NAMES,
    SeveralLevelsError,
    depth_units,
    nearest_level,
    sizes_of,
)
from srwizard.data.prepare.times import (
    TimeAxis,
    decoded_axis,
    has_time_units,
    is_month_number,
    is_text,
)

TIME_NAMES = {"time", "t", "time_counter", "record", "date", "step"}
LATITUDE_UNITS = {
    "degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn",
}  # fmt: skip
LONGITUDE_UNITS = {
    "degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese",
}  # fmt: skip
LATITUDE_NAMES = {"lat", "latitude", "nav_lat"}
LONGITUDE_NAMES = {"lon", "longitude", "nav_lon"}
ENSEMBLE_NAMES = {"realization", "number", "member", "ensemble", "ens"}


@dataclass(frozen=True, slots=True)
class Axes:
    """The meaning of every dimension of a variable.

    Args:
        time: its steps.
        rows: the dimension of H.
        columns: the dimension of W.
        squeezed: dimensions of length 1 that are neither.
        level: the vertical dimension, the index that is taken of it, and its depth; or None.
        level_units: of that depth: m, or what the source says; empty for none.
    """

    time: TimeAxis
    rows: str
    columns: str
    squeezed: tuple[str, ...]
    level: tuple[str, int, float] | None = None
    level_units: str = ""


def find_axes(dataset: xr.Dataset, variable: str, depth: float | None = None) -> Axes:
    """Tell the time, row and column dimensions of `variable`.

    Args:
        dataset: the file's content.
        variable: one of it.
        depth: take the level nearest to it, in metres or, where the vertical coordinate is not a
            length, in its unit.

    Raises:
        DatasetError: another dimension is longer than 1, or fewer than two are left for the grid;
            a depth is given and there is no vertical dimension.
    """
    field = dataset[variable]
    time = find_time(dataset, variable)
    level = None if depth is None else nearest_level(dataset, field, depth)
    others = [
        str(name)
        for name in field.dims
        if name != time.dimension and (level is None or name != level[0])
    ]
    wide = [name for name in others if field.sizes[name] > 1]
    latitude = find_coordinate(dataset, wide, "latitude")
    longitude = find_coordinate(dataset, wide, "longitude")
    rows, columns = _horizontal(field, wide, latitude, longitude)
    squeezed = tuple(name for name in others if name not in (rows, columns))
    units = "" if level is None else depth_units(dataset, level[0])
    return Axes(time, rows, columns, squeezed, level, units)


def find_time(dataset: xr.Dataset, variable: str) -> TimeAxis:
    """Find the time of `variable` by CF: units with "since", then standard_name and axis.

    Without a coordinate that can be decoded, the time dimension is the one whose coordinate has
    axis T, or which is named like a time, or which is unlimited; its steps then have no moments.
    """
    dimensions = {str(name) for name in dataset[variable].dims}
    problems: list[str] = []
    for name in _time_candidates(dataset, dimensions):
        coordinate = dataset.variables[name]
        found = decoded_axis(str(coordinate.dims[0]) if coordinate.dims else None, name, coordinate)
        if found.moments is not None:
            return found
        problems.append(found.problem)
    problem = "; ".join(problems)
    unlimited = dataset.encoding.get("unlimited_dims", ())
    for dimension in (str(name) for name in dataset[variable].dims):
        attributes = dataset[dimension].attrs if dimension in dataset.variables else {}
        if attributes.get("standard_name", dimension.lower()) in ENSEMBLE_NAMES:
            continue  # members of one moment, however many more may follow
        if (
            attributes.get("axis") == "T"
            or dimension.lower() in TIME_NAMES
            or dimension in unlimited
        ):
            if not problem and dimension in dataset.variables:
                found = decoded_axis(dimension, dimension, dataset.variables[dimension])
                if found.moments is not None:
                    return found
                problem = found.problem
            return TimeAxis(dimension, None, "", problem)
    return TimeAxis(None, None, "", problem)


def find_coordinate(
    dataset: xr.Dataset,
    dimensions: list[str],
    kind: Literal["latitude", "longitude"],
    named: Collection[str] = (),
) -> xr.DataArray | None:
    """Return the best latitude or longitude (degrees) that varies over `dimensions` only.

    Args:
        dataset: the file's content.
        dimensions: the horizontal dimensions of a variable.
        kind: which of the two coordinates.
        named: coordinates that the variable names as its own, from `named_coordinates`.

    Returns:
        A 1-D or 2-D coordinate, dimensions of length 1 dropped, or None. One that is given anew
        for each time (WRF) counts where it is the same at the first and the last.
    """
    units, names = (
        (LATITUDE_UNITS, LATITUDE_NAMES)
        if kind == "latitude"
        else (LONGITUDE_UNITS, LONGITUDE_NAMES)
    )
    found: list[tuple[tuple[bool, int, bool, str], xr.DataArray]] = []
    for name in (str(key) for key in dataset.variables):
        variable = dataset[name]
        wide = {str(d) for d in variable.dims if variable.sizes[d] > 1}
        repeated = wide - set(dimensions) if len(wide) == 3 else set()
        wide -= repeated
        if (
            not wide
            or len(wide) > 2
            or len(repeated) > 1
            or not wide <= set(dimensions)
            or variable.dtype.kind not in "iuf"
        ):
            continue
        if variable.attrs.get("standard_name") == kind:
            rank = 0
        elif str(variable.attrs.get("units", "")).lower() in units:
            rank = 1
        elif name.lower() in names:
            rank = 2
        else:
            continue
        for again in repeated:
            first, last = (variable.isel({again: place}) for place in (0, -1))
            if not np.array_equal(first.values, last.values):
                break  # a grid that moves
            variable = first
        else:
            key = (name not in named, rank, name not in dataset.coords, name)
            found.append((key, variable))
    if not found:
        return None
    best = min(found, key=lambda entry: entry[0])[1]
    return best.squeeze([d for d in best.dims if best.sizes[d] == 1], drop=True)


def named_coordinates(variable: xr.DataArray) -> set[str]:
    """Return the auxiliary coordinates that a variable names (CF 5): ULONG ULAT of its own grid."""
    given = variable.encoding.get("coordinates", variable.attrs.get("coordinates", ""))
    return set(str(given).split())


def _time_candidates(dataset: xr.Dataset, dimensions: set[str]) -> list[str]:
    ranked: list[tuple[bool, int, str]] = []
    for name in (str(key) for key in dataset.variables):
        coordinate = dataset.variables[name]
        standard_name = coordinate.attrs.get("standard_name", "time")
        if (
            not (
                has_time_units(str(coordinate.attrs.get("units", "")))
                or is_text(coordinate)
                or (
                    (name in dimensions or not coordinate.ndim)
                    and is_month_number(name, coordinate)
                )
            )
            or standard_name != "time"  # forecast_reference_time has such units too
            or coordinate.ndim > 1
            or not {str(dimension) for dimension in coordinate.dims} <= dimensions
        ):
            continue
        if "standard_name" in coordinate.attrs:
            rank = 0
        elif coordinate.attrs.get("axis") == "T":
            rank = 1
        else:
            rank = 2 if name in dimensions else 3
        ranked.append((coordinate.ndim == 0, rank, name))
    return [name for _is_scalar, _rank, name in sorted(ranked)]


def _horizontal(
    field: xr.DataArray,
    wide: list[str],
    latitude: xr.DataArray | None,
    longitude: xr.DataArray | None,
) -> tuple[str, str]:
    """Return the row and column dimensions out of `wide`, the ones longer than 1."""
    if len(wide) < 2:
        raise DatasetError(
            _("Variable {variable} of dimensions {dimensions} is not a field on a "
              "two-dimensional grid.", variable=field.name, dimensions=sizes_of(field)),
            _("Choose a variable with time, latitude and longitude."),
        )  # fmt: skip
    by_coordinates = list(_distinct_dimensions(latitude, longitude))
    horizontal = by_coordinates if len(by_coordinates) == 2 else wide[-2:]
    extra = [name for name in wide if name not in horizontal]
    if extra:
        levels = [name for name in extra if name.lower() in LEVEL_NAMES]
        raise (SeveralLevelsError if levels == extra else DatasetError)(
            _("Variable {variable} has dimensions {dimensions}: {extra} is neither time nor "
              "horizontal.",
              variable=field.name, dimensions=sizes_of(field), extra=listed(extra)),
            _("Choose the depth of one or more levels, e.g. --depth 0 or --depth 0,100.")
            if levels == extra
            else _("Select one index of {extra} first, e.g. with ncks -d {first},0 or "
                   "xarray's isel({first}=0).", extra=listed(extra), first=extra[0]),
        )  # fmt: skip
    if latitude is not None and latitude.ndim == 1 and str(latitude.dims[0]) in horizontal:
        rows = str(latitude.dims[0])
        return rows, next(name for name in horizontal if name != rows)
    rows, columns = (name for name in wide if name in horizontal)
    return rows, columns


def _distinct_dimensions(*coordinates: xr.DataArray | None) -> Iterator[str]:
    seen: set[str] = set()
    for coordinate in coordinates:
        for dimension in () if coordinate is None else coordinate.dims:
            if dimension not in seen:
                seen.add(str(dimension))
                yield str(dimension)
