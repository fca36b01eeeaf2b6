"""The NetCDF file of a prediction: laid out whole at the beginning, filled step by step.

The values are not compressed and lie in the file one step after the other. So a step is written
where it belongs without the HDF5 library, and whatever happens to this process, the steps that
were written stay. A note beside the file says how many they are.
"""

import errno
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import h5netcdf
import h5py
import numpy as np

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.files import sync_directory
from srwizard.base.i18n import translate as _
from srwizard.base.locks import locked_file
from srwizard.base.os_errors import hint_at_limit, reason_of
from srwizard.base.sizes_and_times import bytes_text
from srwizard.base.special_files import require_file
from srwizard.data.fields import FloatField
from srwizard.data.gaps import BoolField
from srwizard.data.hdf5_writing import hdf5_stream
from srwizard.use.cf_file import FILL_VALUE, FLAGS, LITTLE_ENDIAN, Description, write_frame


class Partial:
    """The file while it is filled: `OUT.nc.partial`; `finish` gives it its name.

    Args:
        target: the file to be.
        identity: what the values depend on, JSON. What an earlier process has left is gone on
            with only if its own was the same.
    """

    def __init__(self, target: Path, identity: Mapping[str, Any]) -> None:
        self._target = target
        self._identity = dict(identity)
        self.path = target.with_name(target.name + ".partial")
        self._note = target.with_name(target.name + ".partial.json")
        self._places: dict[str, tuple[int, int]] = {}
        self._stream: IO[bytes] | None = None
        self.done = 0

    def open(self, description: Description, *, anew: bool) -> None:
        """Go on with what is there, or lay the file out.

        Args:
            description: what it holds.
            anew: forget what is there of another prediction.

        Raises:
            UsageError: another prediction has left its own here, or another process is at it; or
                it cannot be written, or there is not enough space.
        """
        self._stream = self._locked()
        left = self._left()
        differing = [] if left is None else _differing(self._identity, left["identity"])
        if left is not None and not differing:
            self._places = {name: (at, size) for name, (at, size) in left["places"].items()}
            self.done = int(left["done"])
            return
        if differing and not anew:
            raise UsageError(
                _("{path} was left by another prediction; what differs: {keys}",
                  path=self.path, keys=", ".join(differing)),
                _("Continue that prediction, remove the file, or start over: --overwrite"),
            )  # fmt: skip
        try:
            self._lay_out(description)
            self.note()
        except (OSError, RuntimeError, UsageError) as error:
            self.discard()
            raise error if isinstance(error, UsageError) else self._unwritable(error) from error

    def write(self, name: str, step: int, values: FloatField | BoolField) -> None:
        """Write a step of a variable, NaN being where it has no value, or of flags.

        Raises:
            UsageError: it cannot be written.
        """
        begin, size = self._places[name]
        if values.dtype == np.bool_:
            stored = values.astype(FLAGS)
        else:
            stored = np.where(np.isnan(values), FILL_VALUE, values).astype(LITTLE_ENDIAN)
        content = memoryview(stored.tobytes())
        assert self._stream is not None and len(content) == size
        position = begin + step * size
        try:
            while content:
                written = os.pwrite(self._stream.fileno(), content, position)
                content, position = content[written:], position + written
        except OSError as error:
            raise self._unwritable(error) from error

    def note(self) -> None:
        """Bring what is written to the disk, and note how many steps are complete.

        Raises:
            OSError: it cannot be written.
        """
        assert self._stream is not None
        os.fsync(self._stream.fileno())
        content = {"identity": self._identity, "done": self.done, "places": self._places}
        files.write_json(self._note, content)

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()

    def finish(self) -> None:
        """Give the complete file its name.

        Raises:
            UsageError: it cannot be written.
        """
        assert self._stream is not None
        try:
            os.fsync(self._stream.fileno())
            self._stream.close()
            self.path.replace(self._target)
            self._note.unlink(missing_ok=True)
            sync_directory(self._target.parent)
        except OSError as error:
            raise self._unwritable(error) from error

    def _left(self) -> dict[str, Any] | None:
        """Return the note of an earlier process, if its file is there."""
        try:
            left = files.parse_json(require_file(self._note).read_text(encoding="utf-8"))
            numbers = [left["done"], *(one for pair in left["places"].values() for one in pair)]
            whole = all(isinstance(one, int) and one >= 0 for one in numbers)
            sound = isinstance(left["identity"], dict) and whole
            there = self.path.stat().st_size
            end = max(at + size for at, size in left["places"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return left if sound and there >= end else None

    def _locked(self) -> IO[bytes]:
        """Open the unfinished file for this process alone, the kernel's lock standing on it."""
        try:
            return locked_file(self.path)
        except BlockingIOError:
            raise UsageError(
                _("another process is writing {path}", path=self.path),
                _("Wait until it has ended, or name another file."),
            ) from None
        except OSError as error:
            raise self._unwritable(error) from error

    def _lay_out(self, description: Description) -> None:
        self._note.unlink(missing_ok=True)
        points = len(description.names) * int(np.prod(description.grid.shape))
        wanted = points * sum(
            layer.dtype.itemsize * (layer.members or 1) for layer in description.layers
        )
        free = shutil.disk_usage(self._target.parent).free
        if wanted > free:
            raise UsageError(
                _("{path} would take {wanted}, and {free} are free there",
                  path=self._target, wanted=bytes_text(wanted), free=bytes_text(free)),
                _("Free some space, or write to another disk."),
            )  # fmt: skip
        with hdf5_stream(self.path) as stream, h5netcdf.File(stream, "w") as file:
            write_frame(file, description)
        # HDF5 need not lock what this process has locked already.
        with h5py.File(self.path, "r", locking=False) as stored:
            for layer in description.layers:
                dataset = stored[layer.name]
                size = dataset.dtype.itemsize * int(np.prod(dataset.shape[1:]))
                self._places[layer.name] = (int(dataset.id.get_offset()), size)
        _take_space(self.path)
        self.done = 0

    def discard(self) -> None:
        """Remove the unfinished file."""
        self.close()
        for path in (self.path, self._note):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _unwritable(self, error: Exception) -> UsageError:
        return UsageError(
            _("{path} cannot be written: {reason}", path=self.path, reason=reason_of(error)),
            (hint_at_limit(error) if isinstance(error, OSError) else None)
            or _("Check the free space and the permissions, then run it again."),
        )


def _differing(identity: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    # As JSON gives them back, where a tuple is a list.
    mine = json.loads(json.dumps(identity))
    return [key for key in mine if mine[key] != other.get(key)]


def _take_space(path: Path) -> None:
    """Reserve the disk space of a file, so that it cannot run out after hours of work.

    Raises:
        OSError: there is not enough; a file system that cannot reserve any is left alone.
    """
    with path.open("r+b") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
