"""The vertical dimension of a variable: which it is, and how deep its levels are."""

import numpy as np
import xarray as xr

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.data.prepare.units import quantity

LEVEL_NAMES = {
    "depth", "deptht", "depthu", "depthv", "depthw", "lev", "level", "levels", "olevel", "z",
    "zt", "st_ocean", "nav_lev", "depth_coord", "model_level_number",
}  # fmt: skip


class SeveralLevelsError(DatasetError):
    """A variable has several levels, and none of them is chosen."""


def find_level(dataset: xr.Dataset, field: xr.DataArray) -> str | None:
    """Return the vertical dimension of a variable: by its coordinate's attributes, else by name."""
    for dimension in (str(name) for name in field.dims):
        known = dimension in dataset.variables and _is_vertical(dataset[dimension])
        if known or dimension.lower() in LEVEL_NAMES:
            return dimension
    return None


def _is_vertical(coordinate: xr.DataArray) -> bool:
    attributes = coordinate.attrs
    return (
        str(attributes.get("axis")) == "Z"
        or str(attributes.get("positive", "")).lower() in ("up", "down")
        or "depth" in str(attributes.get("standard_name", ""))
    )


def _coordinate(dataset: xr.Dataset, dimension: str) -> xr.DataArray | None:
    """Return the depths of a dimension: of its name, or of another as NEMO's nav_lev and gdept_1d.

    None where there are none, or they are no numbers.
    """
    candidates = [dimension] if dimension in dataset.variables else [
        name
        for name in map(str, dataset.variables)
        if dataset[name].dims == (dimension,)
        and (
            _is_vertical(dataset[name])
            or name.lower() in LEVEL_NAMES
            or name.lower().startswith("gdep")
        )
    ]  # fmt: skip
    return next((dataset[name] for name in candidates if _has_numbers(dataset[name])), None)


def _has_numbers(coordinate: xr.DataArray) -> bool:
    return coordinate.dtype.kind in "iuf" and bool(np.isfinite(coordinate.values).any())


def has_depths(dataset: xr.Dataset, dimension: str) -> bool:
    """Return whether it is known how deep the levels of a vertical dimension are."""
    return _coordinate(dataset, dimension) is not None


def has_levels(dataset: xr.Dataset, variable: str) -> bool:
    """Return whether a variable has several levels."""
    dimension = find_level(dataset, dataset[variable])
    return dimension is not None and dataset.sizes[dimension] > 1


def nearest_level(dataset: xr.Dataset, field: xr.DataArray, depth: float) -> tuple[str, int, float]:
    """Return the vertical dimension, the index of the level nearest to a depth, and its depth.

    Raises:
        DatasetError: there is no vertical dimension, or it has no depths.
    """
    dimension = find_level(dataset, field)
    if dimension is None:
        raise DatasetError(
            _("Variable {variable} of dimensions {dimensions} has no depth to choose from.",
              variable=field.name, dimensions=sizes_of(field)),
            _("Leave --depth (data.prepare.depth) out."),
        )  # fmt: skip
    depths = level_depths(dataset, str(field.name), dimension)
    index = int(np.nanargmin(np.abs(np.array(depths) - depth)))
    return dimension, index, depths[index]


def level_depths(dataset: xr.Dataset, variable: str, dimension: str) -> list[float]:
    """Return the depths of the levels of `variable`, downward.

    They are in metres where the coordinate's unit is one of length, else in that unit (dbar, hPa).

    Raises:
        DatasetError: the dimension has no coordinate of numbers.
    """
    found = _coordinate(dataset, dimension)
    if found is None:
        raise DatasetError(
            _("The dimension {dimension} of {variable} has no depths.",
              dimension=dimension, variable=variable),
            _("Add a coordinate of that name, or select one index first, e.g. with ncks -d "
              "{dimension},0.", dimension=dimension),
        )  # fmt: skip
    # 0.494 in single precision is meant, not 0.49399998784065247.
    values = np.array([float(str(value)) for value in np.atleast_1d(found.values)])
    # Heights count upward: what lies 100 m deep is at -100.
    upward = str(found.attrs.get("positive", "")).lower() == "up"
    # Of the wind, 10 m are no depth of -10 m: then they are counted as they stand.
    depths = -values if (upward and (values < 0).any()) or (values <= 0).all() else values
    stored = _units(dataset, dimension)
    return [float(depth) for depth in depths * (_in_metres(stored) or 1.0)]


def depth_units(dataset: xr.Dataset, dimension: str) -> str:
    """Return the units of what `level_depths` returns: m, or as the source says; empty for none."""
    stored = _units(dataset, dimension)
    return stored if _in_metres(stored) is None else "m"


def _units(dataset: xr.Dataset, dimension: str) -> str:
    found = _coordinate(dataset, dimension)
    return "" if found is None else str(found.attrs.get("units", "")).strip()


def _in_metres(units: str) -> float | None:
    """Return how many metres one is; None for another quantity than length."""
    found = quantity(units)
    return found.factor if found is not None and found.powers == (("m", 1),) else None


def sizes_of(field: xr.DataArray) -> str:
    """Return the dimensions of a variable, as they are told."""
    return "[" + ", ".join(f"{name}={size}" for name, size in field.sizes.items()) + "]"
