"""Opening HDF5 files for reading, which the programs that write them lock."""

import errno
import re
from pathlib import Path
from typing import TYPE_CHECKING

from srwizard.base.i18n import translate as _

if TYPE_CHECKING:
    import h5py


class UnfinishedFileError(OSError):
    """Another program is writing the file, or was when it was killed."""


def open_hdf5(path: Path) -> "h5py.File":
    """Open a file for reading; on a drive that knows no locks, without one.

    Raises:
        UnfinishedFileError: another program is writing it.
        OSError: it cannot be read.
    """
    import h5py  # not with the module: the wizard shall not wait for it before it needs it

    try:
        return h5py.File(path, "r")
    except OSError as error:
        if not drive_refuses_locks(error):
            problem = unfinished(path, error)
            if problem is not None:
                raise UnfinishedFileError(errno.EAGAIN, problem[0], str(path)) from error
            raise
    return h5py.File(path, "r", locking=False)


def drive_refuses_locks(error: Exception) -> bool:
    """Return whether the drive does not support locks, such as NFS and Lustre often do.

    No lock that another program holds is passed over then.
    """
    number = re.search(r"unable to lock file, errno = (\d+)", str(error))
    return number is not None and int(number[1]) in (
        errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS, errno.EACCES, errno.EPERM,
    )  # fmt: skip


def unfinished(path: Path, error: Exception) -> tuple[str, str] | None:
    """Say who keeps a file from being read, and the way out; None where nobody does.

    A lock is respected whoever holds it: one who has the file open for reading only may hold it
    for another that writes.
    """
    number = getattr(error, "errno", None)
    if number == errno.EAGAIN or re.search("resource temporarily unavailable", str(error), re.I):
        holders = [*map(_name_of, _holders_of_locks(path))] or [_("another program")]
        return (
            _("it is locked by {holders}", holders=", ".join(holders)),
            _("Wait until that has ended; if no program writes the file, set "
              "HDF5_USE_FILE_LOCKING=FALSE."),
        )  # fmt: skip
    if "already open for write" in str(error):
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
