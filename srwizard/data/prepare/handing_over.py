"""Fields made in one process and used in another, without being sent through a pipe.

They lie in files that have no name: a process that is killed leaves none behind. On Linux these are
in memory and do not depend on the size of /dev/shm, which containers often keep at 64 MiB.
"""

import math
import mmap
import os
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing import reduction
from typing import Any

import numpy as np

from srwizard.data.fields import FloatField


class SharedFields:
    """Room for fields of one shape, as many as are put; can be given to a process at its start.

    Args:
        shape: `(H, W)`.
        descriptor: of the file, where there is one already.
    """

    def __init__(self, shape: tuple[int, int], descriptor: int | None = None) -> None:
        self._shape = shape
        self._descriptor = _nameless_file() if descriptor is None else descriptor

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _received, (self._shape, reduction.DupFd(self._descriptor))

    def put(self, fields: Sequence[FloatField]) -> None:
        """Write fields `[H, W]` over those that were there.

        Raises:
            OSError: there is no room.
        """
        place = 0
        for field in fields:
            rest = np.ascontiguousarray(field).data.cast("B")
            while rest:
                written = os.pwrite(self._descriptor, rest, place)
                rest, place = rest[written:], place + written

    def get(self, count: int) -> FloatField:
        """Return the `count` fields `[N, H, W]` that were put; they last until the next are put."""
        size = count * math.prod(self._shape) * np.dtype(np.float32).itemsize
        mapped = mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ)
        return np.frombuffer(mapped, np.float32).reshape(count, *self._shape)

    def close(self) -> None:
        """Give the room back."""
        os.close(self._descriptor)


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("srwizard")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _received(shape: tuple[int, int], descriptor: Any) -> SharedFields:
    return SharedFields(shape, descriptor.detach())
