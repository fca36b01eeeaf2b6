"""An HDF5 file, opened so that xarray is soon done with it."""

from pathlib import Path
from typing import Any

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


def looked_up_once(path: Path) -> LookedUpOnce:
    """Open an HDF5 file for reading, with the filters there are, and a lock where there can be one.

    Raises:
        OSError: as `locked_where_possible`.
    """
    register_plugins()
    return locked_where_possible(path, lambda locking: LookedUpOnce(path, **locking))
