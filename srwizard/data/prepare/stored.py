"""Where HDF5 keeps a variable, to read it from there.

xarray looks at every variable, dimension and attribute of a file before it reads a value, which
takes tens of milliseconds; of a file that was surveyed all this is known, and HDF5 opens it in one.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import xarray as xr

DECODED_BY = ("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned")
"""Attributes that say how values are stored; xarray takes them out while it decodes."""


@dataclass(frozen=True, slots=True)
class StoredVariable:
    """A variable of numbers as it lies in an HDF5 file.

    Args:
        path: of the HDF5 dataset, `/group/name`.
        dimensions, shape: of all of it.
        attributes: by which its values are decoded.
    """

    path: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    attributes: Mapping[str, Any]


def stored_variable(file: h5py.File, path: str, decoded: xr.Variable) -> StoredVariable | None:
    """Return where a variable lies that xarray has opened and not read.

    Args:
        file: it is open.
        path: of the HDF5 dataset.
        decoded: what xarray makes of it.

    Returns:
        None where HDF5 has it otherwise than it looks by the rules of NetCDF (shorter than an
        unlimited dimension, under another name): only xarray knows how to read it.
    """
    if _plain(file, path, decoded.shape) is None:
        return None
    attributes = {
        name: each[name]
        for name in DECODED_BY
        for each in (decoded.encoding, decoded.attrs)
        if name in each
    }
    dimensions = tuple(str(name) for name in decoded.dims)
    return StoredVariable(path, dimensions, decoded.shape, attributes)


def read_stored(
    file: h5py.File, stored: StoredVariable, place: Mapping[str, int | slice]
) -> xr.Variable | None:
    """Return what lies at a place, decoded as xarray does.

    Args:
        file: it is open.
        stored: what is read.
        place: dimension -> index or range; of the others all is read.

    Returns:
        None where it is not as it was any longer: xarray says how it is.

    Raises:
        OSError: it cannot be read.
    """
    found = _plain(file, stored.path, stored.shape)
    if found is None:
        return None
    index = tuple(place.get(name, slice(None)) for name in stored.dimensions)
    left = [name for name in stored.dimensions if not isinstance(place.get(name), int)]
    # Indexing would fill what it reads into with zeros first.
    shape = [len(range(size)[each]) for size, each in zip(stored.shape, index, strict=True)
             if isinstance(each, slice)]  # fmt: skip
    values: npt.NDArray[np.number[Any]] = np.empty(shape, found.dtype)
    found.read_direct(values, index)
    with warnings.catch_warnings():
        # Two different fill values are common in archives; both become NaN.
        warnings.simplefilter("ignore", xr.SerializationWarning)
        return xr.conventions.decode_cf_variable(
            stored.path,
            xr.Variable(left, values, stored.attributes),
            decode_times=False,
            decode_timedelta=False,
        )


def _plain(file: h5py.File, path: str, shape: tuple[int, ...]) -> h5py.Dataset | None:
    """Return a dataset of numbers of that shape; None where there is none."""
    found = file.get(path)
    plain = (
        isinstance(found, h5py.Dataset)
        and found.shape == shape
        and found.dtype.kind in "iuf"
        and h5py.check_enum_dtype(found.dtype) is None
    )
    return found if plain else None
