"""The groups in NetCDF files and Zarr stores."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import xarray as xr

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_shell
from srwizard.data.hdf5_reading import open_hdf5
from srwizard.data.raw_files import zarr_store

_MOST_DIMENSIONS_OF_A_COORDINATE = 2


def groups_of_hdf5(path: Path) -> list[str]:
    """Return the paths of the groups of an HDF5 file, each after the one above it."""
    with open_hdf5(path) as file:
        return list(_below_hdf5(file, ""))


def groups_of_zarr(path: Path) -> list[str]:
    """Return the paths of the groups below a Zarr store or group, each after the one above it."""
    import zarr

    return list(_below_zarr(zarr.open_group(path, mode="r"), ""))


def require_group(path: Path) -> None:
    """Refuse one array of a Zarr store, which has no coordinates.

    Raises:
        UsageError: it is one.
    """
    store, inside = zarr_store(path)
    if (path / ".zarray").is_file() or _is_array_of_format_3(path):
        raise UsageError(
            _("{path} is a single array of the Zarr store {store}.", path=path, store=store),
            _("Give the store, and the array as the variable: srwizard prepare {store} --variable "
              "{variable}", store=in_shell(store), variable=in_shell(inside)),
        )  # fmt: skip


def inherited(group: xr.Dataset, above: xr.Dataset) -> dict[str, xr.Variable]:
    """Return what may be coordinates in the group above, over dimensions that `group` has."""
    return {
        str(name): variable
        for name, variable in above.variables.items()
        if name not in group.variables
        and variable.ndim <= _MOST_DIMENSIONS_OF_A_COORDINATE
        and all(group.sizes.get(dimension) == size for dimension, size in variable.sizes.items())
    }


def _below_hdf5(group: h5py.Group, path: str) -> Iterator[str]:
    for name in group:
        # A soft link could lead back up.
        hard = isinstance(group.get(name, getlink=True), h5py.HardLink)
        if hard and group.get(name, getclass=True) is h5py.Group:
            yield f"{path}/{name}"
            yield from _below_hdf5(group[name], f"{path}/{name}")


def _below_zarr(group: Any, path: str) -> Iterator[str]:
    for name, below in sorted(group.groups()):
        yield f"{path}/{name}"
        yield from _below_zarr(below, f"{path}/{name}")


def _is_array_of_format_3(path: Path) -> bool:
    try:
        metadata = json.loads((path / "zarr.json").read_bytes())
    except (OSError, ValueError):  # of another format, or damaged: told by what opens it
        return False
    return isinstance(metadata, dict) and metadata.get("node_type") == "array"
