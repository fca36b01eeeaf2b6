"""Filters that an HDF5 file is compressed with: those of hdf5plugin, and missing ones."""

import contextlib
import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import h5py

from srwizard.data.hdf5_reading import open_hdf5

NAMES = {
    307: "bzip2", 32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp",
    32015: "zstd", 32017: "sz", 32018: "fcidecomp", 32019: "jpeg", 32022: "granular bitround",
    32023: "bit groom", 32024: "sz3", 32026: "blosc2",
}  # fmt: skip
"""By https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md."""


def register_plugins() -> None:
    """Have HDF5 use the filters of the package hdf5plugin, where it is installed."""
    if importlib.util.find_spec("hdf5plugin") is not None:
        importlib.import_module("hdf5plugin")  # registers them


def missing_filter(path: Path) -> str | None:
    """Return the name of a filter that the file needs and HDF5 does not have, or None."""
    # What cannot be opened lacks more than a filter.
    with contextlib.suppress(OSError, RuntimeError, KeyError, ValueError), open_hdf5(path) as file:
        for dataset in _datasets(file):
            created = dataset.id.get_create_plist()
            for place in range(created.get_nfilters()):
                number, _flags, _values, stored = created.get_filter(place)
                if not h5py.h5z.filter_avail(number):
                    told = stored.decode(errors="replace").strip("\0 ")
                    return NAMES.get(number) or f"{told} ({number})".strip()
    return None


def _datasets(group: h5py.Group) -> Iterator[h5py.Dataset]:
    for member in group.values():
        if isinstance(member, h5py.Dataset):
            yield member
        elif isinstance(member, h5py.Group):
            yield from _datasets(member)
