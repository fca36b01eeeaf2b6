"""Opening HDF5 files for reading, which the programs that write them lock."""

import errno
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _

if TYPE_CHECKING:
    import h5py

Opened = TypeVar("Opened")


class UnfinishedFileError(OSError):
    """Another program is writing the file, or was when it was killed; `way_out` says what to do."""

    def __init__(self, path: Path, reason: str, way_out: str) -> None:
        super().__init__(errno.EAGAIN, reason, str(path))
        self.way_out = way_out


def open_hdf5(path: Path) -> "h5py.File":
    """Open a file for reading; see `locked_where_possible`."""
    import h5py  # not with the module: the wizard shall not wait for it before it needs it

    return locked_where_possible(path, lambda locking: h5py.File(path, "r", **locking))


def locked_where_possible(path: Path, opening: Callable[[Mapping[str, bool]], Opened]) -> Opened:
    """Open a file with a lock, or without one where there can be none.

    That is: on a drive that knows no locks, and where this process has it open without one. A lock
    that another program holds is respected.

    Args:
        path: the file.
        opening: opens it; given `locking=False`, or nothing for what HDF5_USE_FILE_LOCKING says.

    Raises:
        UnfinishedFileError: another program is writing it.
        OSError: it cannot be read.
    """
    try:
        return opening({})
    except OSError as error:
        if not (_drive_refuses_locks(error) or _open_without_lock(error)):
            problem = _unfinished(path, error)
            if problem is not None:
                raise UnfinishedFileError(path, *problem) from error
            raise
    return opening({"locking": False})


def _drive_refuses_locks(error: OSError) -> bool:
    """Return whether the drive does not support locks, such as NFS and Lustre often do."""
    number = re.search(r"unable to lock file, errno = (\d+)", str(error))
    return number is not None and int(number[1]) in (
        errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS, errno.EACCES, errno.EPERM,
    )  # fmt: skip


def _open_without_lock(error: OSError) -> bool:
    """Return whether this process has the file open in the other way; HDF5 takes only one."""
    return "file locking flag values don't match" in str(error)


def _unfinished(path: Path, error: OSError) -> tuple[str, str] | None:
    """Say who keeps a file from being read, and the way out; None where nobody does.

    A lock is respected whoever holds it: one who has the file open for reading only may hold it
    for another that writes.
    """
    text = str(error).lower()
    if error.errno == errno.EAGAIN or "resource temporarily unavailable" in text:
        holders = [*map(_name_of, _holders_of_locks(path))] or [_("another program")]
        return (
            _("it is locked by {holders}", holders=listed(holders)),
            _("Wait until that has ended; if no program writes the file, set "
              "HDF5_USE_FILE_LOCKING=FALSE."),
        )  # fmt: skip
    if "already open for write" in text:
        return (
            _("another program is writing it, or was killed while it did"),
            _("Wait until that has ended; if no program writes the file: h5clear -s {name}",
              name=path.name),
        )  # fmt: skip
    return None


def _holders_of_locks(path: Path) -> list[int]:
    """Return the processes on this machine that hold a lock on a file, as far as they are shown."""
    try:
        inode, locks = path.stat().st_ino, Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    # 1: FLOCK  ADVISORY  WRITE 4242 fe:00:1234567 0 EOF
    held = re.compile(rf"\d+: \w+ +\w+ +\w+ +(\d+) \w+:\w+:{inode} ")
    return sorted({int(found[1]) for line in locks if (found := held.match(line))})


def _name_of(process: int) -> str:
    import psutil

    try:
        name = psutil.Process(process).name()
    except psutil.Error:
        return _("process {process}", process=process)
    return _("process {process} ({name})", process=process, name=name)
