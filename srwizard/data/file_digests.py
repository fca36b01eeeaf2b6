"""What tells files from changed ones: blocks of their content, their stamps, or all of it."""

import hashlib
import os
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import NamedTuple

from srwizard.data.hdf5_links import with_linked_files

BLOCK_BYTES = 1024
NPY_BLOCKS = 4
HDF5_BLOCKS = 64
WHOLE_CONTENT = "all:"
"""What digests of every byte begin with."""


class FileStamp(NamedTuple):
    """What tells a file from a changed one without reading it."""

    path: str
    size: int
    modified: int
    inode: int

    @classmethod
    def of(cls, path: str) -> "FileStamp":
        """Look a file up.

        Raises:
            OSError: it is not there.
        """
        # For each sample: a Path costs more than the look.
        return cls.from_stat(path, os.stat(path))  # noqa: PTH116

    @classmethod
    def from_stat(cls, path: str, found: os.stat_result) -> "FileStamp":
        """Keep what a look at a file has found."""
        return cls(path, found.st_size, found.st_mtime_ns, found.st_ino)


def sampled_digest(files: Iterable[Path]) -> str:
    """Digest name, size, and blocks spread over each file."""
    total = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        total.update(os.fsencode(f"{file.name}:{size};"))
        blocks = NPY_BLOCKS if file.suffix == ".npy" else HDF5_BLOCKS
        with file.open("rb") as stream:
            for place in range(blocks):
                stream.seek(max(0, size - BLOCK_BYTES) * place // (blocks - 1))
                total.update(stream.read(BLOCK_BYTES))
    return total.hexdigest()[:32]


def stamps_of(file: Path) -> list[FileStamp]:
    """Look up a file of a dataset and those that its values are really in.

    Raises:
        OSError: one is not there, or cannot be read.
    """
    return [FileStamp.of(str(one)) for one in with_linked_files(file)]


def stamp_digest(files: Iterable[Path], seen: MutableMapping[str, list[FileStamp]]) -> str:
    """Digest size, times and inode of each file; keep in `seen` what was looked up."""
    total = hashlib.sha256()
    for file in files:
        seen[str(file)] = []
        for one in with_linked_files(file):
            found = one.stat()
            times = found.st_mtime_ns, found.st_ctime_ns
            total.update(os.fsencode(f"{file.name}:{found.st_size}:{times}:{found.st_ino};"))
            seen[str(file)].append(FileStamp.from_stat(str(one), found))
    return total.hexdigest()[:32]


def content_digest(files: Iterable[Path], read: Callable[[int], None] = lambda _done: None) -> str:
    """Digest every byte; `read` is told how many files are done."""
    total = hashlib.sha256()
    for done, file in enumerate(files, start=1):
        for one in with_linked_files(file):
            with one.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            total.update(os.fsencode(f"{file.name}:{digest};"))
        read(done)
    return WHOLE_CONTENT + total.hexdigest()[:32]
