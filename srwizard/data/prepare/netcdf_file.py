"""A NetCDF-4 file, opened so that xarray is soon done with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5netcdf
import h5py

from srwizard.data.hdf5_reading import locked_where_possible
from srwizard.data.prepare.hdf5_filters import register_plugins


class LookedUpOnce(h5py.File):  # type: ignore[misc]
    """An HDF5 file that is only read, and keeps what was looked up in it.

    While xarray opens a file, h5netcdf asks HDF5 some forty times for each variable.
    """

    def __init__(self, path: Path, **options: Any) -> None:
        super().__init__(path, "r", **options)
        self._found: dict[str, Any] = {}

    def __getitem__(self, name: Any) -> Any:
        if not isinstance(name, str):  # a reference
            return super().__getitem__(name)
        if name not in self._found:
            self._found[name] = super().__getitem__(name)
        return self._found[name]


@contextmanager
def netcdf_file(path: Path) -> Iterator[h5netcdf.File]:
    """Open a NetCDF-4 file for reading, with a lock where there can be one; close it at the end.

    Raises:
        OSError: as `locked_where_possible`; for files that are no NetCDF, nearly anything.
    """
    register_plugins()
    with (
        locked_where_possible(path, lambda locking: LookedUpOnce(path, **locking)) as file,
        h5netcdf.File(file, "r", decode_vlen_strings=True) as netcdf,
    ):
        yield netcdf
