"""One NetCDF or Zarr source: what a variable is in it, and reading its steps by window."""

import errno
import importlib.util
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.data.fields import FloatField
from srwizard.data.prepare.cf import Axes, find_axes, find_coordinate, find_level
from srwizard.data.prepare.grid import FloatArray, Grid, Window
from srwizard.data.prepare.masking import (
    Masking,
    land_of,
    missed_fill_values,
    valid_range,
    without,
)
from srwizard.data.prepare.times import Moment
from srwizard.data.raw_files import is_zarr

WINDOW_BYTES = 64 * 2**20
"""Most bytes of one variable that are decoded at a time."""

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_NETCDF3_SIGNATURES = (b"CDF\x01", b"CDF\x02")


@dataclass(frozen=True)
class SourceField:
    """One variable in one file.

    Args:
        path: the NetCDF file or Zarr store.
        variable: its name there.
        axes: the meaning of its dimensions, with the level that is taken.
        steps: how many time steps it has.
        window: how many steps to read at a time; windows start at multiples of it.
        attributes: units, long_name, standard_name, as far as they are there.
        missing: values that stand for none.
        valid: the least and the greatest value that is one; None for no limits.
        mask: where there is no water, and what it is there; of one step or of as many.
    """

    path: Path
    variable: str
    axes: Axes
    steps: int
    window: int
    attributes: Mapping[str, str]
    missing: tuple[float, ...] = ()
    valid: tuple[float, float] | None = None
    mask: "tuple[SourceField, tuple[float, ...]] | None" = None


@dataclass(frozen=True)
class Step:
    """One time step: number `index` of `source`; `moment` is None where no time is known."""

    source: SourceField
    index: int
    moment: Moment | None


def open_source(path: Path) -> xr.Dataset:
    """Open a NetCDF-3 or NetCDF-4 file or a Zarr store; values are read when they are asked for.

    Raises:
        UsageError: it is missing, not readable or neither of them; the package zarr is missing.
    """
    if is_zarr(path):
        return _open_zarr(path)
    return _open(path, _netcdf_engine(path))


def _open_zarr(path: Path) -> xr.Dataset:
    if importlib.util.find_spec("zarr") is None:
        raise UsageError(
            _("Source {path} is a Zarr store, and the package zarr is not installed.", path=path),
            _("Install it: pip install 'srwizard[zarr]'"),
        )
    return _open(path, "zarr")


def _netcdf_engine(path: Path) -> Literal["h5netcdf", "scipy"]:
    try:
        with path.open("rb") as stream:
            signature = stream.read(len(_HDF5_SIGNATURE))
    except OSError as error:
        raise UsageError(
            _("Source {path} cannot be read: {reason}.", path=path, reason=reason_of(error)),
            _("Give the paths of NetCDF files or Zarr stores."),
        ) from error
    if not signature:
        raise UsageError(
            _("Source {path} is empty (0 bytes).", path=path),
            _("Fetch or write it again, or leave it out."),
        )
    if path.name.startswith("._"):
        raise UsageError(
            _("Source {path} is a companion file that macOS writes; it holds no data.", path=path),
            _("Leave it out: name the files without ._ before them."),
        )
    if signature[:4] == b"CDF\x05":
        raise UsageError(
            _("Source {path} is a NetCDF file of the CDF-5 kind, which cannot be read.", path=path),
            _("Convert it to NetCDF-4: nccopy -k nc4 {name} new.nc", name=path.name),
        )
    if signature != _HDF5_SIGNATURE and signature[:4] not in _NETCDF3_SIGNATURES:
        raise UsageError(
            _("Source {path} is not a NetCDF file.", path=path),
            _("Give NetCDF files (.nc) or Zarr stores; compressed ones have to be unpacked first."),
        )
    return "h5netcdf" if signature == _HDF5_SIGNATURE else "scipy"


def _open(path: Path, engine: Literal["h5netcdf", "scipy", "zarr"]) -> xr.Dataset:
    try:
        with warnings.catch_warnings():
            # Two different fill values are common in archives; both become NaN.
            warnings.simplefilter("ignore", xr.SerializationWarning)
            # A store without consolidated metadata is read as well.
            warnings.filterwarnings("ignore", category=RuntimeWarning, message=".*consolidated.*")
            return xr.open_dataset(
                path, engine=engine, decode_times=False, decode_timedelta=False, cache=False
            )
    except Exception as error:  # the engines raise nearly anything for damaged files
        if _is_locked(error):
            raise UsageError(
                _("Source {path} is locked: another program is writing it.", path=path),
                _("Wait until it has ended; on a drive that does not support locks, set "
                  "HDF5_USE_FILE_LOCKING=FALSE."),
            ) from error  # fmt: skip
        kind, look = ("Zarr", "ls -a") if engine == "zarr" else ("NetCDF", "ncdump -h")
        raise UsageError(
            _("Source {path} cannot be read as {kind}: {reason}.",
              path=path, kind=kind, reason=error),
            _("It may be damaged or cut short; look at it with {command}.", command=look),
        ) from error  # fmt: skip


def _is_locked(error: Exception) -> bool:
    return getattr(error, "errno", None) == errno.EAGAIN or bool(
        re.search(r"unable to lock file|resource temporarily unavailable", str(error), re.I)
    )


def _needs_filter(error: Exception) -> bool:
    return bool(
        re.search(
            r"required filter|filter.*not (available|registered)|hdf5.*plugin", str(error), re.I
        )
    )


class StepReader(AbstractContextManager["StepReader"]):
    """Reads the fields of steps; holds at most one source open and one window of steps in memory.

    Args:
        window: the rows and columns that are read; None: all of them.

    Attributes:
        outside: how many values, so far, lay outside of the valid range of their variable.
    """

    def __init__(self, window: Window | None = None) -> None:
        self._window = window
        self._path: Path | None = None
        self._dataset: xr.Dataset | None = None
        self._land: tuple[SourceField, npt.NDArray[np.bool_]] | None = None
        self.outside = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def fields(self, steps: Sequence[Step]) -> Iterator[FloatField]:
        """Yield the field `[H, W]` of each step; see `read`."""
        for window in windows(steps):
            yield from self.read(window)

    def read(self, steps: Sequence[Step]) -> FloatField:
        """Return `[N, H, W]` of consecutive steps in physical units, NaN where there is no value.

        Raises:
            DatasetError: the source cannot be read, or holds infinite values.
        """
        source = steps[0].source
        fields = without(self._stored(source, steps[0].index, steps[-1].index + 1), source.missing)
        if source.mask is not None:
            fields = np.where(self._masked(source.mask, steps), np.float32(np.nan), fields)
        if source.valid is not None:
            outside = (fields < source.valid[0]) | (fields > source.valid[1])
            self.outside += int(outside.sum())
            fields = np.where(outside, np.float32(np.nan), fields)
        for step, field in zip(steps, fields, strict=True):
            if np.isinf(field).any():
                raise DatasetError(
                    _("{variable} has infinite values in {path}, step {step}.",
                      variable=step.source.variable, path=step.source.path, step=step.index),
                    _("Mask them with _FillValue first."),
                )  # fmt: skip
        return fields

    def _masked(
        self, mask: tuple[SourceField, tuple[float, ...]], steps: Sequence[Step]
    ) -> npt.NDArray[np.bool_]:
        """Return `[N, H, W]` or `[1, H, W]`, where there is no water."""
        source, values = mask
        if source.steps > 1:
            return land_of(self._stored(source, steps[0].index, steps[-1].index + 1), values)
        if self._land is None or self._land[0] != source:
            self._land = source, land_of(self._stored(source, 0, 1), values)
        return self._land[1]

    def _stored(self, source: SourceField, first: int, stop: int) -> FloatField:
        """Return `[N, H, W]` of consecutive steps as the source has them."""
        columns = (slice(None),) if self._window is None else self._window.columns
        parts = [self._part(source, slice(first, stop), part) for part in columns]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)

    def _part(self, source: SourceField, steps: slice, columns: slice) -> FloatField:
        """Return `[N, H, W]`, the values of one range of columns."""
        axes = source.axes
        place: dict[str, int | slice] = dict.fromkeys(axes.squeezed, 0)
        rows = slice(None) if self._window is None else self._window.rows
        place |= {axes.rows: rows, axes.columns: columns}
        if axes.level is not None:
            place[axes.level[0]] = axes.level[1]
        order = [axes.rows, axes.columns]
        if axes.time.dimension is not None:
            place[axes.time.dimension] = steps
            order.insert(0, axes.time.dimension)
        try:
            selected = self._opened(source.path)[source.variable].isel(place)
            values = selected.transpose(*order).values
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            if _needs_filter(error):
                raise DatasetError(
                    _("{variable} in {path} is compressed with a filter that HDF5 has not "
                      "installed: {reason}.",
                      variable=source.variable, path=source.path, reason=error),
                    _("Install it, e.g. pip install hdf5plugin, and set HDF5_PLUGIN_PATH to what "
                      "hdf5plugin.PLUGIN_PATH says; or, where it is there, store the file without: "
                      "nccopy -F none {name} new.nc", name=source.path.name),
                ) from error  # fmt: skip
            raise DatasetError(
                _("{variable} cannot be read from {path}: {reason}.",
                  variable=source.variable, path=source.path, reason=error),
                _("The file may be damaged or cut short; fetch it again."),
            ) from error  # fmt: skip
        with np.errstate(over="ignore"):  # what overflows is found as infinite by the caller
            fields: FloatField = values.astype(np.float32)
        return fields if axes.time.dimension is not None else fields[None]

    def _opened(self, path: Path) -> xr.Dataset:
        if self._dataset is None or self._path != path:
            self._close()
            self._dataset, self._path = open_source(path), path
        return self._dataset

    def _close(self) -> None:
        if self._dataset is not None:
            self._dataset.close()
        self._dataset = self._path = None


def windows(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """Group steps that follow each other in one source and in one window of it."""
    start = 0
    for end in range(1, len(steps) + 1):
        last = steps[end - 1]
        if (
            end == len(steps)
            or steps[end].source is not last.source
            or steps[end].index != last.index + 1
            or steps[end].index % last.source.window == 0
        ):
            yield steps[start:end]
            start = end


def survey_field(
    dataset: xr.Dataset,
    variable: str,
    path: Path,
    depth: float | None = None,
    missing: Sequence[float] = (),
) -> tuple[SourceField, Grid]:
    """Return what `variable` is in the open source at `path`, and its grid.

    Args:
        dataset: the source's content.
        variable: one of it.
        path: where it is.
        depth: take the level nearest to it.
        missing: values that stand for none, besides those that the source declares.

    Raises:
        UsageError: the variable does not hold numbers.
        DatasetError: it has a dimension that is neither time nor horizontal.
    """
    array = dataset[variable]
    if array.dtype.kind not in "iuf":
        raise UsageError(
            _("Variable {variable} in {path} holds {dtype}, not numbers.",
              variable=variable, path=path, dtype=array.dtype),
            _("Choose one of: {available}", available=", ".join(field_names(dataset))),
        )  # fmt: skip
    try:
        axes = find_axes(dataset, variable, depth)
    except DatasetError as error:
        raise DatasetError(f"{path}: {error.message}", error.hint) from error
    steps = 1 if axes.time.dimension is None else array.sizes[axes.time.dimension]
    attributes = {
        name: str(array.attrs[name])
        for name in ("units", "long_name", "standard_name")
        if name in array.attrs
    }
    field = SourceField(
        path,
        variable,
        axes,
        steps,
        _window(array, axes),
        attributes,
        (*missing, *missed_fill_values(array)),
        valid_range(array),
    )
    return field, _grid(dataset, array, axes)


def survey_mask(
    field: SourceField, grid: Grid, dataset: xr.Dataset, masking: Masking, depth: float | None
) -> SourceField:
    """Return `field` with its mask, of the source itself (`dataset`, open) or of another file.

    Raises:
        UsageError: there is no such mask.
        DatasetError: it is on another grid, or its steps are not those of the field.
    """
    wanted = masking.variable
    if wanted is None:
        return field
    with open_source(wanted.path) if wanted.path else nullcontext(dataset) as holder:
        path = wanted.path or field.path
        if wanted.name not in holder.variables:
            raise UsageError(
                _("{path} has no mask {name}.", path=path, name=wanted.name),
                _("Name a variable of the sources, or of another file: "
                  "--mask-variable FILE:NAME. Available: {names}.",
                  names=", ".join(field_names(holder)) or _("none")),
            )  # fmt: skip
        deep = find_level(holder, holder[wanted.name]) is not None
        mask, its_grid = survey_field(holder, wanted.name, path, depth if deep else None)
    if not its_grid.matches(grid) or mask.steps not in (1, field.steps):
        raise DatasetError(
            _("The mask {name} in {path} ({steps} steps of {rows} x {columns}) does not belong to "
              "{variable} ({field_steps} steps of {field_rows} x {field_columns}), or its "
              "longitudes and latitudes differ.",
              name=mask.variable, path=path, steps=mask.steps, rows=its_grid.shape[0],
              columns=its_grid.shape[1], variable=field.variable, field_steps=field.steps,
              field_rows=grid.shape[0], field_columns=grid.shape[1]),
            _("Give a mask on the grid of the sources, of one step or of the same steps."),
        )  # fmt: skip
    untimed = replace(mask.axes.time, moments=None)
    mask = replace(mask, axes=replace(mask.axes, time=untimed))
    return replace(field, mask=(mask, wanted.values))


def _window(array: xr.DataArray, axes: Axes) -> int:
    """Return how many steps to read at a time.

    A compressed chunk that spans many steps would be decompressed once for each of them.
    """
    if axes.time.dimension is None:
        return 1
    chunks = array.encoding.get("chunksizes") or array.encoding.get("preferred_chunks")
    if isinstance(chunks, Mapping):
        stored = int(chunks.get(axes.time.dimension, 1))
    else:
        stored = int(chunks[array.dims.index(axes.time.dimension)]) if chunks else 1
    step_bytes = array.sizes[axes.rows] * array.sizes[axes.columns] * array.dtype.itemsize
    return max(1, min(stored, WINDOW_BYTES // max(1, step_bytes)))


def _grid(dataset: xr.Dataset, array: xr.DataArray, axes: Axes) -> Grid:
    dimensions = [axes.rows, axes.columns]

    def coordinate(found: xr.DataArray | None, one_dimensional: str) -> FloatArray | None:
        if found is None or (found.ndim == 1 and found.dims != (one_dimensional,)):
            return None
        ordered = found if found.ndim == 1 else found.transpose(*dimensions)
        return ordered.values.astype(np.float64)

    return Grid(
        (array.sizes[axes.rows], array.sizes[axes.columns]),
        coordinate(find_coordinate(dataset, dimensions, "latitude"), axes.rows),
        coordinate(find_coordinate(dataset, dimensions, "longitude"), axes.columns),
    )


def field_names(dataset: xr.Dataset) -> list[str]:
    """Return the variables that may be fields on a grid: numbers over two or more dimensions."""
    bounds = {str(variable.attrs.get("bounds")) for variable in dataset.variables.values()}
    return sorted(
        str(name)
        for name, variable in dataset.data_vars.items()
        if variable.ndim >= 2 and variable.dtype.kind in "iuf" and name not in bounds
    )
