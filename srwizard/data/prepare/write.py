"""Writing the fields of a dataset: one writer for each format."""

import mmap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cftime
import h5netcdf
import h5py
import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from srwizard.data.coordinates import Grid
from srwizard.data.fields import FloatField, header_at_start
from srwizard.data.hdf5_writing import hdf5_stream
from srwizard.data.layout import LEVELS, Layout
from srwizard.data.prepare.times import Moment

TIME_UNITS = "seconds since 1970-01-01 00:00:00"
COORDINATE_ATTRIBUTES = {
    "lon": {"standard_name": "longitude", "units": "degrees_east"},
    "lat": {"standard_name": "latitude", "units": "degrees_north"},
}
RESERVED_NAMES = frozenset({"time", "lon", "lat", "x", "y"})
"""Names that the coordinates and dimensions of the `h5` and `nc` formats have."""

WriteField = Callable[[str, str, int, FloatField], None]
"""(level, variable, step in the split, field `[H, W]`)"""


class SplitFiles(NamedTuple):
    """How a split is written: each step, and at the end which of them are left out again."""

    write: WriteField
    drop: Callable[[Collection[int]], None]


@dataclass(frozen=True)
class Content:
    """What a dataset holds besides the values.

    Args:
        grids: level (hr, lr) -> its grid.
        attributes: variable -> units, long_name, standard_name.
        calendar: the CF calendar of the times; empty where steps have none.
    """

    grids: Mapping[str, Grid]
    attributes: Mapping[str, Mapping[str, str]]
    calendar: str


@dataclass(frozen=True)
class SplitSteps:
    """The steps of one split, in order: their names, and their times or Nones."""

    split: str
    names: Sequence[str]
    moments: Sequence[Moment | None]


def write_statics(
    root: Path, grids: Mapping[str, Grid], others: Mapping[str, Mapping[str, FloatField]]
) -> None:
    """Write `static_variables/{hr,lr}/NN_<name>.npy`: lon and lat as far as known, then others.

    Args:
        root: the dataset directory.
        grids: level -> its grid; lon and lat are float64, degrees.
        others: level -> name -> field of it.
    """
    for level in LEVELS:
        known = coordinates(grids[level]) | dict(others[level])
        for number, (name, values) in enumerate(known.items()):
            directory = root / "static_variables" / level
            directory.mkdir(parents=True, exist_ok=True)
            save_npy(directory / f"{number:02d}_{name}.npy", values)


def save_npy(path: Path, values: npt.NDArray[Any]) -> None:
    """Write a `.npy` file; a full disk is an error, which `np.save` to a file can miss.

    Raises:
        OSError: it cannot be written.
    """
    values = np.ascontiguousarray(values)
    with path.open("wb") as stream:
        npy.write_array_header_1_0(stream, npy.header_data_from_array_1_0(values))
        stream.write(values.data)


def mapped_npy(path: Path) -> npt.NDArray[Any]:
    """Return the array of a `.npy` file that was written; it is read where it is looked at."""
    with path.open("rb") as stream:
        header = header_at_start(stream)
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    return np.ndarray(header.shape, header.dtype, mapped, header.offset, order=header.order)


def coordinates(grid: Grid) -> dict[str, npt.NDArray[Any]]:
    """Return the coordinates that `grid` has: lon `[W]` or `[H, W]`, lat `[H]` or `[H, W]`."""
    found = {"lon": grid.longitude, "lat": grid.latitude}
    return {name: values for name, values in found.items() if values is not None}


def npy_path(root: Path, steps: "SplitSteps", level: str, variable: str, position: int) -> Path:
    """Return the file of one field in the `npy` format."""
    return root / steps.split / level / variable / f"{steps.names[position]}.npy"


@contextmanager
def npy_split(root: Path, content: Content, steps: SplitSteps) -> Iterator[SplitFiles]:
    """Write one `.npy` file for each field, named by its step."""
    names = [(level, variable) for level in LEVELS for variable in content.attributes]
    for level, variable in names:
        (root / steps.split / level / variable).mkdir(parents=True, exist_ok=True)

    def write(level: str, variable: str, position: int, field: FloatField) -> None:
        save_npy(npy_path(root, steps, level, variable, position), field)

    def drop(positions: Collection[int]) -> None:
        for level, variable in names:
            for position in positions:
                npy_path(root, steps, level, variable, position).unlink()

    yield SplitFiles(write, drop)


@contextmanager
def h5_split(root: Path, content: Content, steps: SplitSteps) -> Iterator[SplitFiles]:
    """Write one HDF5 file: `{hr,lr}/<variable>` `[N, H, W]`, one step per chunk; lon, lat; time."""
    with (
        hdf5_stream(root / f"{steps.split}.h5") as stream,
        h5py.File(stream, "w") as file,
    ):
        times, time_attributes = _encoded_times(content, steps)
        file.create_dataset(
            "time", data=times, chunks=(len(times),), maxshape=(None,)
        ).attrs.update(time_attributes)
        for level in LEVELS:
            group, grid = file.create_group(level), content.grids[level]
            for name, values in coordinates(grid).items():
                group.create_dataset(name, data=values).attrs.update(COORDINATE_ATTRIBUTES[name])
            for variable, attributes in content.attributes.items():
                dataset = group.create_dataset(
                    variable,
                    (len(times), *grid.shape),
                    np.float32,
                    chunks=(1, *grid.shape),
                    maxshape=(None, *grid.shape),
                    fillvalue=np.float32(np.nan),
                )
                dataset.attrs.update(attributes)

        def write(level: str, variable: str, position: int, field: FloatField) -> None:
            file[level][variable][position] = field
            stream.check()

        def drop(positions: Collection[int]) -> None:
            series = [file[level][variable] for level in LEVELS for variable in content.attributes]
            for each in (file["time"], *series):
                each.resize(_moved_up(each, positions), axis=0)

        yield SplitFiles(write, drop)


@contextmanager
def nc_split(root: Path, content: Content, steps: SplitSteps) -> Iterator[SplitFiles]:
    """Write one NetCDF-4 file by CF, with groups hr and lr and the time they share."""
    with (
        hdf5_stream(root / f"{steps.split}.nc") as stream,
        h5netcdf.File(stream, "w") as file,
    ):
        file.attrs["Conventions"] = "CF-1.11"
        times, time_attributes = _encoded_times(content, steps)
        file.dimensions = {"time": None}
        file.resize_dimension("time", len(times))
        time = file.create_variable("time", ("time",), times.dtype, chunks=(len(times),))
        time.attrs.update(time_attributes)
        time[:] = times
        for level in LEVELS:
            group, grid = file.create_group(level), content.grids[level]
            horizontal = _horizontal_dimensions(grid)
            group.dimensions = dict(zip(horizontal, grid.shape, strict=True))
            for name, values in coordinates(grid).items():
                over = horizontal if values.ndim == 2 else (horizontal[name == "lon"],)
                coordinate = group.create_variable(name, over, data=values)
                coordinate.attrs.update(COORDINATE_ATTRIBUTES[name])
            auxiliary = " ".join(name for name in coordinates(grid) if name not in horizontal)
            for variable, attributes in content.attributes.items():
                field = group.create_variable(
                    variable,
                    ("time", *horizontal),
                    np.float32,
                    chunks=(1, *grid.shape),
                    fillvalue=np.float32(np.nan),
                )
                field.attrs.update(attributes)
                if auxiliary:
                    field.attrs["coordinates"] = auxiliary

        def write(level: str, variable: str, position: int, field: FloatField) -> None:
            file[level][variable][position] = field
            stream.check()

        def drop(positions: Collection[int]) -> None:
            series = [file[level][variable] for level in LEVELS for variable in content.attributes]
            kept = [_moved_up(each, positions) for each in (time, *series)]
            file.resize_dimension("time", kept[0])

        yield SplitFiles(write, drop)


def _moved_up(series: Any, dropped: Collection[int]) -> int:
    """Move the steps `[N, ...]` that are kept to the begin; return how many they are."""
    kept = [position for position in range(series.shape[0]) if position not in dropped]
    for place, position in enumerate(kept):
        if place != position:
            series[place] = series[position]
    return len(kept)


SPLIT_WRITERS: Mapping[
    Layout, Callable[[Path, Content, SplitSteps], AbstractContextManager[SplitFiles]]
] = {"npy": npy_split, "h5": h5_split, "nc": nc_split}


def _encoded_times(
    content: Content, steps: SplitSteps
) -> tuple[npt.NDArray[np.int64], dict[str, str]]:
    """Return `[N]` and its CF attributes: seconds since 1970, or plain numbers without a time."""
    if not content.calendar:
        return np.arange(len(steps.names), dtype=np.int64), {"long_name": "step"}
    dates = [
        cftime.datetime(*moment, calendar=content.calendar)
        for moment in steps.moments
        if moment is not None
    ]
    seconds = cftime.date2num(dates, TIME_UNITS, content.calendar)
    return np.asarray(seconds, dtype=np.int64), {
        "standard_name": "time",
        "units": TIME_UNITS,
        "calendar": content.calendar,
    }


def _horizontal_dimensions(grid: Grid) -> tuple[str, str]:
    rows, columns = grid.latitude, grid.longitude
    return (
        "lat" if rows is not None and rows.ndim == 1 else "y",
        "lon" if columns is not None and columns.ndim == 1 else "x",
    )
