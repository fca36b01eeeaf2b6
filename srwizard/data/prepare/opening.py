"""Opening a NetCDF file or a Zarr store: what it is, who holds it, and the groups in it."""

import importlib.util
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import h5netcdf
import h5py
import xarray as xr
from xarray.backends import H5NetCDFStore

from srwizard.base.errors import DatasetError, UsageError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.special_files import require_file
from srwizard.data.file_faults import HDF5_SIGNATURE
from srwizard.data.hdf5_reading import UnfinishedFileError
from srwizard.data.missing_variable import no_such_variable
from srwizard.data.prepare.groups import (
    groups_of_hdf5,
    groups_of_zarr,
    inherited,
    require_group,
)
from srwizard.data.prepare.hdf5_filters import missing_filter
from srwizard.data.prepare.looked_up_once import looked_up_once
from srwizard.data.prepare.stored import StoredVariable, stored_variable
from srwizard.data.raw_files import is_zarr, zarr_store

Engine = Literal["h5netcdf", "scipy", "zarr"]

_NETCDF3_SIGNATURES = (b"CDF\x01", b"CDF\x02")


class Source(AbstractContextManager["Source"]):
    """An open NetCDF file or Zarr store; values are read when they are asked for.

    A variable of a group is called by its path, `/data/sst`, or by its name alone where no other
    group has one of that name. Its coordinates are those of the group and of the groups above.

    Args:
        path: where it is.
        engine: xarray's, that reads it.

    Raises:
        UsageError: it is locked, or cannot be read.
        DatasetError: it needs a filter that is not installed.
    """

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self._engine: Engine = engine
        self._hdf5: h5py.File | None = None
        with ExitStack() as opened:
            with _explained(path, engine):
                if engine == "h5netcdf":
                    self._hdf5 = opened.enter_context(looked_up_once(path))
                    netcdf = h5netcdf.File(self._hdf5, "r", decode_vlen_strings=True)
                    self._netcdf = opened.enter_context(netcdf)
                self._root = opened.enter_context(self._content())
            store = zarr_store(path)[0] if engine == "zarr" else path
            for above in path.parents[: len(path.parts) - len(store.parts)]:
                with _explained(above, engine):
                    around = opened.enter_context(_decoded(above, engine=engine))
                self._root = self._root.assign_coords(inherited(self._root, around))
            self._open = opened.pop_all()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def find(self, variable: str) -> tuple[xr.Dataset, str] | None:
        """Return the content of the group of a variable, and its name there; None for none.

        Raises:
            UsageError: several groups have a variable of that name.
        """
        found = self._place_of(variable)
        if found is None:
            return None
        group, name = found
        return self._inside(group), name

    def stored(self, variable: str) -> StoredVariable | None:
        """Return where HDF5 keeps a variable; None where only xarray knows how to read it."""
        found = self._place_of(variable)
        if self._hdf5 is None or found is None:
            return None
        group, name = found
        return stored_variable(self._hdf5, f"{group}/{name}", self._inside(group).variables[name])

    def _inside(self, group: str) -> xr.Dataset:
        return self._groups[group] if group else self._root

    def _place_of(self, variable: str) -> tuple[str, str] | None:
        """Return the group of a variable, empty for the root, and its name there; None for none.

        Raises:
            UsageError: several groups have a variable of that name.
        """
        group, _slash, name = variable.rpartition("/")
        if not group.strip("/") and name in self._root.variables:
            return "", name
        if "/" in variable:
            group = "/" + group.strip("/")
            there = group in self._groups and name in self._groups[group].variables
            return (group, name) if there else None
        having = [path for path, each in self._groups.items() if name in each.data_vars]
        if len(having) > 1:
            raise UsageError(
                _("{path} has a variable {variable} in several groups.",
                  path=self.path, variable=name),
                _("Choose one of: {available}",
                  available=listed(f"{group}/{name}" for group in having)),
            )  # fmt: skip
        return (having[0], name) if having else None

    def dataset_of(self, variable: str) -> tuple[xr.Dataset, str]:
        """Return what `find` does, for a variable that is known to be there.

        Raises:
            UsageError: it is not.
        """
        found = self.find(variable)
        if found is None:
            raise no_such_variable(variable, self.described_fields(), self.path)
        return found

    def field_names(self) -> list[str]:
        """Return the variables that may be fields on a grid, those of groups by their path."""
        return list(self.described_fields())

    def described_fields(self) -> dict[str, tuple[str, ...]]:
        """Return `field_names`, each with what else it is called: its standard and long name."""
        groups = {"": self._root} | {f"{path}/": group for path, group in self._groups.items()}
        return {
            path + name: _descriptions(group.variables[name])
            for path, group in groups.items()
            for name in _field_names(group)
        }

    def _content(self, group: str | None = None) -> xr.Dataset:
        """Return what is in the root, or in a group below it."""
        if self._hdf5 is not None:
            return _decoded(H5NetCDFStore(self._netcdf, group=group))
        return _decoded(self.path, engine=self._engine, group=group)

    @cached_property
    def _groups(self) -> Mapping[str, xr.Dataset]:
        """The groups below the root, by path; most files have none."""
        if self._engine == "scipy":
            return {}
        paths = groups_of_zarr(self.path) if self._engine == "zarr" else groups_of_hdf5(self.path)
        found: dict[str, xr.Dataset] = {"": self._root}
        for path in paths:
            with _explained(self.path, self._engine):
                group = self._open.enter_context(self._content(path))
            above = path
            while above:
                above = above.rpartition("/")[0]
                group = group.assign_coords(inherited(group, found[above]))
            found[path] = group
        del found[""]
        return found


def open_source(path: Path) -> Source:
    """Open a NetCDF-3 or NetCDF-4 file or a Zarr store.

    Raises:
        UsageError: it is missing, not readable or neither of them; the package zarr is missing.
        DatasetError: it needs a filter that is not installed.
    """
    if not is_zarr(path):
        return Source(path, _netcdf_engine(path))
    if importlib.util.find_spec("zarr") is None:
        raise UsageError(
            _("Source {path} is a Zarr store, and the package zarr is not installed.", path=path),
            _("Install it: pip install 'srwizard[zarr]'"),
        )
    require_group(path)
    return Source(path, "zarr")


def filter_error(path: Path) -> DatasetError | None:
    """Say that values of a file cannot be read for want of a filter, and what to do; else None."""
    lacking = missing_filter(path)
    if lacking is None:
        return None
    return DatasetError(
        _("{path} is compressed with the HDF5 filter {filter}, which is not installed.",
          path=path, filter=lacking),
        _("Install it, e.g. pip install hdf5plugin; or, where the filter is there, store the file "
          "without it: nccopy -F none {name} new.nc", name=path.name),
    )  # fmt: skip


def _netcdf_engine(path: Path) -> Literal["h5netcdf", "scipy"]:
    try:
        with require_file(path).open("rb") as stream:
            signature = stream.read(len(HDF5_SIGNATURE))
    except OSError as error:
        raise UsageError(
            _("Source {path} cannot be read: {reason}.", path=path, reason=reason_of(error)),
            _("Give the paths of NetCDF files or Zarr stores."),
        ) from error
    if not signature:
        raise UsageError(
            _("Source {path} is empty (0 bytes).", path=path),
            _("Download or write it again, or leave it out."),
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
    if signature != HDF5_SIGNATURE and signature[:4] not in _NETCDF3_SIGNATURES:
        raise UsageError(
            _("Source {path} is not a NetCDF file.", path=path),
            _("Give NetCDF files (.nc) or Zarr stores; compressed ones have to be unpacked first."),
        )
    return "h5netcdf" if signature == HDF5_SIGNATURE else "scipy"


@contextmanager
def _explained(path: Path, engine: Engine) -> Iterator[None]:
    """Say what keeps a source from being read, and what to do.

    Raises:
        UsageError, DatasetError: as for `Source`.
    """
    try:
        yield
    except UnfinishedFileError as error:
        raise UsageError(
            _("Source {path} cannot be read: {reason}.", path=path, reason=error.strerror),
            error.way_out,
        ) from error
    except Exception as error:  # the engines raise nearly anything for damaged files
        lacking = filter_error(path) if engine == "h5netcdf" else None
        if lacking is not None:
            raise lacking from error
        kind, look = ("Zarr", "ls -a") if engine == "zarr" else ("NetCDF", "ncdump -h")
        raise UsageError(
            _("Source {path} cannot be read as {kind}: {reason}.",
              path=path, kind=kind, reason=str(error).rstrip(".")),
            _("It may be damaged or cut short; look at it with {command}.", command=look),
        ) from error  # fmt: skip


def _decoded(source: Path | H5NetCDFStore, **options: Any) -> xr.Dataset:
    with warnings.catch_warnings():
        # Two different fill values are common in archives; both become NaN.
        warnings.simplefilter("ignore", xr.SerializationWarning)
        # A store without consolidated metadata is read as well.
        warnings.filterwarnings("ignore", category=RuntimeWarning, message=".*consolidated.*")
        given = {name: option for name, option in options.items() if option is not None}
        given["create_default_indexes"] = False  # nothing is looked up by its coordinates
        found = xr.open_dataset(
            source, decode_times=False, decode_timedelta=False, cache=False, **given
        )
        is_zarr_store = given.get("engine") == "zarr"
        if is_zarr_store and any(map(_is_filled_with_zeros, found.variables.values())):
            found.close()
            return _with_zeros(xr.open_dataset(source, decode_cf=False, cache=False, **given))
        return found


def _is_filled_with_zeros(variable: xr.Variable) -> bool:
    """Return whether a Zarr array has the fill value that zarr and kerchunk give where none is."""
    fill = variable.encoding.get("_FillValue", variable.attrs.get("_FillValue"))
    return isinstance(fill, Real) and fill == 0


def _with_zeros(raw: xr.Dataset) -> xr.Dataset:
    """Return a store decoded, its zeros as values: format 2 has a fill value in any case."""
    for variable in raw.variables.values():
        if _is_filled_with_zeros(variable):
            del variable.attrs["_FillValue"]
    return xr.decode_cf(raw, decode_times=False, decode_timedelta=False)


def _descriptions(array: xr.Variable) -> tuple[str, ...]:
    return tuple(
        str(array.attrs[name]) for name in ("standard_name", "long_name") if name in array.attrs
    )


def _field_names(dataset: xr.Dataset) -> list[str]:
    """Return the variables with numbers over two or more dimensions, bounds left out."""
    bounds = {str(variable.attrs.get("bounds")) for variable in dataset.variables.values()}
    return [
        str(name)
        for name, variable in dataset.data_vars.items()
        if variable.ndim >= 2 and variable.dtype.kind in "iuf" and name not in bounds
    ]
