"""Having the system fetch from the disk what is read next, while what was read is computed on.

Fields are larger than what the system fetches ahead by itself (128 KiB), and HDF5 asks for one
chunk after the other: without it disk and processor wait for each other.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from itertools import islice, product
from pathlib import Path

import h5py

MOST_BYTES = 64 * 2**20
"""How far ahead: what several processes read while one computes, and little of the page cache."""
BEGINNING_BYTES = 16 * 2**20
MOST_CHUNKS = 512
"""Looking up where a chunk lies takes some microseconds."""


def fetch_ahead(file: h5py.File, path: str, index: Sequence[int | slice]) -> None:
    """Have the system fetch a part of a variable, and go on at once.

    Whatever cannot be fetched so is not: a file that is not on a disk, a system without such
    advice, a chunk that was never written.

    Args:
        file: an HDF5 file that is open.
        path: of the variable.
        index: an index or a range for each of its dimensions.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    try:
        descriptor = file.id.get_vfd_handle()
        left = MOST_BYTES
        for start, size in _places(file[path], index):
            os.posix_fadvise(descriptor, start, min(size, left), os.POSIX_FADV_WILLNEED)
            left -= size
            if left <= 0:
                return
    except (OSError, RuntimeError, TypeError, ValueError, KeyError):
        return


def fetch_beginning(path: Path) -> None:
    """Have the system fetch the beginning of a file, headers and the first fields, and go on.

    Whatever cannot be fetched so is not.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, BEGINNING_BYTES, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(descriptor)


def _places(dataset: h5py.Dataset, index: Sequence[int | slice]) -> Iterator[tuple[int, int]]:
    """Yield where what is asked for lies in the file, and how long it is, in bytes."""
    ranges = [
        range(each, each + 1) if isinstance(each, int) else range(size)[each]
        for each, size in zip(index, dataset.shape, strict=True)
    ]
    if dataset.chunks is None:
        begins = dataset.id.get_offset()
        if begins is not None and ranges:  # None: nothing was written yet
            step = dataset.nbytes // max(dataset.shape[0], 1)
            yield begins + ranges[0].start * step, len(ranges[0]) * step
        return
    corners = product(*(
        range(each.start - each.start % size, each.stop, size)
        for each, size in zip(ranges, dataset.chunks, strict=True)
    ))  # fmt: skip
    for corner in islice(corners, MOST_CHUNKS):
        found = dataset.id.get_chunk_info_by_coord(corner)
        if found.byte_offset is not None:
            yield found.byte_offset, found.size
