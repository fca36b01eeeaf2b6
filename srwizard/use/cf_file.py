"""What the NetCDF file of a prediction holds besides values: dimensions, coordinates, names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cftime
import h5netcdf
import h5py
import numpy as np
import numpy.typing as npt

from srwizard.data.coordinates import Grid
from srwizard.data.prepare.times import Moment
from srwizard.data.prepare.units import difference_units
from srwizard.use.grids import unwrapped

CONVENTIONS = "CF-1.8"
TIME_UNITS = "seconds since 1970-01-01 00:00:00"
FILL_VALUE = np.float32(9.969209968386869e36)
"""NetCDF's own for float, which every program knows."""
LITTLE_ENDIAN = np.dtype("<f4")
FLAGS = np.dtype("i1")


@dataclass(frozen=True)
class Layer:
    """One variable of the file: `[time, y, x]`, or `[time, member, y, x]` with its members.

    Flags are bytes, 0 or 1, without missing values.
    """

    name: str
    attributes: Mapping[str, Any]
    members: int | None = None
    flags: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """How its values are stored."""
        return FLAGS if self.flags else LITTLE_ENDIAN


@dataclass(frozen=True)
class Description:
    """What a file holds besides its values.

    Args:
        layers: the variables.
        grid: of the fields.
        names: of the steps.
        moments: of the steps; None: steps are numbered and carry their names.
        calendar: the CF calendar of the moments.
        attributes: of the file.
    """

    layers: Sequence[Layer]
    grid: Grid
    names: Sequence[str]
    moments: Sequence[Moment] | None
    calendar: str
    attributes: Mapping[str, str]


def layers_of(
    variable: str,
    known: Mapping[str, str],
    *,
    ensemble: bool,
    members: int | None,
    flagged: bool = False,
) -> list[Layer]:
    """Return what is written of one variable of a run.

    Args:
        variable: its name.
        known: its units, long_name, standard_name, as far as they are known.
        ensemble: whether the field is the mean of several, and their spread is written, too.
        members: how many of them are written beside; None: none.
        flagged: whether points are flagged that LR had no value for.
    """
    long_name = known.get("long_name", variable)
    what = dict(known) | {"long_name": long_name}
    if ensemble:
        what["long_name"] = f"{long_name}, mean of the ensemble"
    ancillary = [f"{variable}_spread"] * ensemble + [f"{variable}_filled"] * flagged
    if ancillary:
        what["ancillary_variables"] = " ".join(ancillary)
    layers = [Layer(variable, what)]
    if ensemble:
        spread = {"long_name": f"{long_name}, standard deviation of the ensemble"}
        if "units" in known:
            spread["units"] = difference_units(known["units"])
        layers.append(Layer(f"{variable}_spread", spread))
    if members is not None:
        member = dict(known) | {"long_name": f"{long_name}, members of the ensemble"}
        layers.append(Layer(f"{variable}_members", member, members))
    if flagged:
        layers.append(Layer(f"{variable}_filled", _flag_attributes(long_name), flags=True))
    return layers


def _flag_attributes(long_name: str) -> dict[str, Any]:
    return {
        "long_name": f"{long_name}, whether the low-resolution input had no value there",
        "flag_values": np.array([0, 1], FLAGS),
        "flag_meanings": "known_in_input filled_from_surroundings",
    }


def write_frame(file: h5netcdf.File, description: Description) -> None:
    """Write dimensions, coordinates and attributes, and make room for the values."""
    file.attrs.update({"Conventions": CONVENTIONS, **description.attributes})
    grid = _for_cf(description.grid)
    horizontal = _horizontal(grid)
    time = "time" if description.moments is not None else "step"
    members = max(layer.members or 0 for layer in description.layers)
    file.dimensions = {
        time: len(description.names),
        **({"member": members} if members else {}),
        **dict(zip(horizontal, grid.shape, strict=True)),
    }
    _write_steps(file, description, time)
    if members:
        numbers = np.arange(1, members + 1, dtype=np.int32)
        file.create_variable("member", ("member",), data=numbers).attrs.update(
            {"standard_name": "realization", "long_name": "member of the ensemble", "units": "1"}
        )
    auxiliary = _write_coordinates(file, grid, horizontal)
    auxiliary += [] if description.moments is not None else ["step_name"]
    for layer in description.layers:
        middle = ("member",) if layer.members is not None else ()
        early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        variable = file.create_variable(
            layer.name,
            (time, *middle, *horizontal),
            layer.dtype,
            fillvalue=None if layer.flags else FILL_VALUE,
            dcpl=early,
            fill_time="never",
        )
        variable.attrs.update(layer.attributes)
        if auxiliary:
            variable.attrs["coordinates"] = " ".join(auxiliary)


def _write_steps(file: h5netcdf.File, description: Description, dimension: str) -> None:
    if description.moments is None:
        numbers = np.arange(len(description.names), dtype=np.int32)
        file.create_variable("step", ("step",), data=numbers).attrs.update(
            {"long_name": "number of the step", "units": "1"}
        )
        names = np.array(description.names, dtype=object)
        file.create_variable("step_name", ("step",), h5py.string_dtype(), data=names).attrs[
            "long_name"
        ] = "name of the step"
        return
    dates = [cftime.datetime(*moment, calendar=description.calendar)
             for moment in description.moments]  # fmt: skip
    # CF before 1.9 knows no 64-bit integers; as double, seconds are exact.
    values = np.asarray(cftime.date2num(dates, TIME_UNITS, description.calendar), np.float64)
    file.create_variable(dimension, (dimension,), data=values).attrs.update(
        {
            "standard_name": "time",
            "long_name": "time",
            "units": TIME_UNITS,
            "calendar": description.calendar,
            "axis": "T",
        }
    )


def _for_cf(grid: Grid) -> Grid:
    """Return the grid with both coordinates 1-D, or both 2-D, longitudes without a jump."""
    latitude, longitude = grid.latitude, grid.longitude
    if longitude is not None:
        longitude = unwrapped(longitude)
    if latitude is not None and longitude is not None and latitude.ndim != longitude.ndim:
        if latitude.ndim == 1:
            latitude = np.broadcast_to(latitude[:, None], grid.shape)
        else:
            longitude = np.broadcast_to(longitude, grid.shape)
    return Grid(grid.shape, latitude, longitude)


def _horizontal(grid: Grid) -> tuple[str, str]:
    """Return the names of the dimensions: lat and lon where these are coordinates of their own."""
    return (
        "lat" if _is_axis(grid.latitude) else "y",
        "lon" if _is_axis(grid.longitude) else "x",
    )


def _is_axis(values: npt.NDArray[Any] | None) -> bool:
    """Return whether values may be a coordinate variable of CF: 1-D, known, and monotonic."""
    if values is None or values.ndim != 1:
        return False
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())


def _write_coordinates(file: h5netcdf.File, grid: Grid, horizontal: tuple[str, str]) -> list[str]:
    """Write what is known of lat and lon; return those that are no dimensions."""
    kinds = (
        ("lat", grid.latitude, "latitude", "degrees_north", "Y"),
        ("lon", grid.longitude, "longitude", "degrees_east", "X"),
    )
    auxiliary = []
    for place, (name, values, standard_name, units, axis) in enumerate(kinds):
        if values is None:
            continue
        over = horizontal if values.ndim == 2 else (horizontal[place],)
        variable = file.create_variable(name, over, data=np.asarray(values, np.float64))
        variable.attrs.update(
            {"standard_name": standard_name, "long_name": standard_name, "units": units}
        )
        if name in horizontal:
            variable.attrs["axis"] = axis
        else:
            auxiliary.append(name)
    return auxiliary
