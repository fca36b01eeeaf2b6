"""The NetCDF file of a prediction: laid out whole at the beginning, filled step by step.

The values are not compressed and lie in the file one step after the other. So a step is written
where it belongs without the HDF5 library, and whatever happens to this process, the steps that
were written stay. A note beside the file says how many they are.
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cftime
import h5netcdf
import h5py
import numpy as np
import numpy.typing as npt

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.files import sync_directory
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.sizes_and_times import bytes_text
from srwizard.base.special_files import require_file
from srwizard.data.fields import FloatField
from srwizard.data.gaps import BoolField
from srwizard.data.hdf5_writing import hdf5_stream
from srwizard.data.prepare.grid import Grid
from srwizard.data.prepare.times import Moment
from srwizard.use.grids import unwrapped
from srwizard.use.quantities import difference_units

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
    if flagged:
        what["ancillary_variables"] = f"{variable}_filled"
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


class Partial:
    """The file while it is filled: `OUT.nc.partial`; `finish` gives it its name.

    Args:
        target: the file to be.
        identity: what the values depend on, JSON. What an earlier process has left is gone on
            with only if its own was the same.
    """

    def __init__(self, target: Path, identity: Mapping[str, Any]) -> None:
        self._target = target
        self._identity = dict(identity)
        self.path = target.with_name(target.name + ".partial")
        self._note = target.with_name(target.name + ".partial.json")
        self._places: dict[str, tuple[int, int]] = {}
        self._stream: IO[bytes] | None = None
        self.done = 0

    def open(self, description: Description, *, anew: bool) -> None:
        """Go on with what is there, or lay the file out.

        Args:
            description: what it holds.
            anew: forget what is there of another prediction.

        Raises:
            UsageError: another prediction has left its own here, or another process is at it; or
                it cannot be written, or there is not enough space.
        """
        self._stream = self._locked()
        left = self._left()
        differing = [] if left is None else _differing(self._identity, left["identity"])
        if left is not None and not differing:
            self._places = {name: (at, size) for name, (at, size) in left["places"].items()}
            self.done = int(left["done"])
            return
        if differing and not anew:
            raise UsageError(
                _("{path} was left by another prediction; what differs: {keys}",
                  path=self.path, keys=", ".join(differing)),
                _("Go on with that one, remove the file, or begin anew: --overwrite"),
            )  # fmt: skip
        try:
            self._lay_out(description)
            self.note()
        except (OSError, RuntimeError, UsageError) as error:
            self._discard()
            raise error if isinstance(error, UsageError) else self._unwritable(error) from error

    def write(self, name: str, step: int, values: FloatField | BoolField) -> None:
        """Write a step of a variable, NaN being where it has no value, or of flags.

        Raises:
            UsageError: it cannot be written.
        """
        begin, size = self._places[name]
        if values.dtype == np.bool_:
            stored = values.astype(FLAGS)
        else:
            stored = np.where(np.isnan(values), FILL_VALUE, values).astype(LITTLE_ENDIAN)
        content = memoryview(stored.tobytes())
        assert self._stream is not None and len(content) == size
        position = begin + step * size
        try:
            while content:
                written = os.pwrite(self._stream.fileno(), content, position)
                content, position = content[written:], position + written
        except OSError as error:
            raise self._unwritable(error) from error

    def note(self) -> None:
        """Bring what is written to the disk, and note how many steps are complete.

        Raises:
            OSError: it cannot be written.
        """
        assert self._stream is not None
        os.fsync(self._stream.fileno())
        content = {"identity": self._identity, "done": self.done, "places": self._places}
        files.write_json(self._note, content)

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()

    def finish(self) -> None:
        """Give the complete file its name.

        Raises:
            UsageError: it cannot be written.
        """
        assert self._stream is not None
        try:
            os.fsync(self._stream.fileno())
            self._stream.close()
            self.path.replace(self._target)
            self._note.unlink(missing_ok=True)
            sync_directory(self._target.parent)
        except OSError as error:
            raise self._unwritable(error) from error

    def _left(self) -> dict[str, Any] | None:
        """Return the note of an earlier process, if its file is there."""
        try:
            left = files.parse_json(require_file(self._note).read_text(encoding="utf-8"))
            numbers = [left["done"], *(one for pair in left["places"].values() for one in pair)]
            whole = all(isinstance(one, int) and one >= 0 for one in numbers)
            sound = isinstance(left["identity"], dict) and whole
            there = self.path.stat().st_size
            end = max(at + size for at, size in left["places"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return left if sound and there >= end else None

    def _locked(self) -> IO[bytes]:
        """Open the unfinished file for this process alone, the kernel's lock standing on it."""
        try:
            while True:
                stream = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", 0)
                _lock(stream)
                # Whoever held it may have finished it just now, and given it its name.
                if self.path.exists() and os.path.samestat(
                    os.fstat(stream.fileno()), self.path.stat()
                ):
                    return stream
                stream.close()
        except BlockingIOError:
            raise UsageError(
                _("another process is writing {path}", path=self.path),
                _("Wait until it has ended, or name another file."),
            ) from None
        except OSError as error:
            raise self._unwritable(error) from error

    def _lay_out(self, description: Description) -> None:
        self._note.unlink(missing_ok=True)
        points = len(description.names) * int(np.prod(description.grid.shape))
        wanted = points * sum(
            layer.dtype.itemsize * (layer.members or 1) for layer in description.layers
        )
        free = shutil.disk_usage(self._target.parent).free
        if wanted > free:
            raise UsageError(
                _("{path} would take {wanted}, and {free} are free there",
                  path=self._target, wanted=bytes_text(wanted), free=bytes_text(free)),
                _("Make room, or write to another disk."),
            )  # fmt: skip
        with hdf5_stream(self.path) as stream, h5netcdf.File(stream, "w") as file:
            _write_frame(file, description)
        # HDF5 need not lock what this process has locked already.
        with h5py.File(self.path, "r", locking=False) as stored:
            for layer in description.layers:
                dataset = stored[layer.name]
                size = dataset.dtype.itemsize * int(np.prod(dataset.shape[1:]))
                self._places[layer.name] = (int(dataset.id.get_offset()), size)
        _take_space(self.path)
        self.done = 0

    def _discard(self) -> None:
        self.close()
        for path in (self.path, self._note):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _unwritable(self, error: Exception) -> UsageError:
        return UsageError(
            _("{path} cannot be written: {reason}", path=self.path, reason=reason_of(error)),
            _("Check the free space and the permissions, then run it again."),
        )


def _differing(identity: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    # As JSON gives them back, where a tuple is a list.
    mine = json.loads(json.dumps(identity))
    return [key for key in mine if mine[key] != other.get(key)]


def _lock(stream: IO[bytes]) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return


def _take_space(path: Path) -> None:
    """Reserve the disk space of a file, so that it cannot run out after hours of work.

    Raises:
        OSError: there is not enough; a file system that cannot reserve any is left alone.
    """
    with path.open("r+b") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise


def _write_frame(file: h5netcdf.File, description: Description) -> None:
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
    """Tell whether values may be a coordinate variable of CF: 1-D, known, and monotonic."""
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
