"""A file for the HDF5 library, which crashes where the disk refuses one of its writes."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class ErrorKeepingFile(io.FileIO):
    """A file that keeps the first failed write to itself until it is asked.

    The HDF5 library crashes when the process ends if the disk refused one of its writes. So it is
    told that all went well, and the dataset is given up by whoever calls `check`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._failure: OSError | None = None

    def write(self, content: "ReadableBuffer", /) -> int:
        """Write all of `content`, or remember why not."""
        rest = memoryview(content).cast("B")
        size = len(rest)
        try:
            while self._failure is None and rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._failure = error
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """Set the size, or remember why not."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._failure = self._failure or error
            return size or 0

    def check(self) -> None:
        """Raise the first failure.

        Raises:
            OSError: something could not be written.
        """
        if self._failure is not None:
            raise self._failure


@contextmanager
def hdf5_stream(path: Path) -> Iterator[ErrorKeepingFile]:
    """Open a file to be written by HDF5.

    Raises:
        OSError: something could not be written; at the end, at the latest.
    """
    with ErrorKeepingFile(path) as file:
        yield file
        file.check()
