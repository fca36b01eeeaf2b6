"""Locks on a session and on a run directory: the second to come is told who holds it.

The lock itself is the kernel's and ends with its process, however that ends; the file beside it
only says who it was.
"""

import contextlib
import fcntl
import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

import filelock

from srwizard.base import files
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of
from srwizard.base.special_files import require_file


class LockedError(UsageError):
    """Another process holds the lock."""


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    Args:
        path: the lock file; its directory must exist.
        what: what it protects, for the message.

    Raises:
        LockedError: another process holds it; says who.
        UsageError: it cannot be made.
    """
    lock = filelock.FileLock(path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise LockedError(
            _("{what} is in use by {holder}", what=what, holder=_holder(path)),
            _("Wait until that process has ended, or end it; or choose another one."),
        ) from None
    except OSError as error:
        raise UsageError(
            _("{path} cannot be locked: {reason}", path=path, reason=reason_of(error)),
            _("What is done here is written to {directory}. Where you may not write, work in a "
              "copy of it: cp -r",
              directory=path.parent),
        ) from None  # fmt: skip
    try:
        files.write_json(_note(path), _myself())
        yield
    finally:
        _note(path).unlink(missing_ok=True)
        lock.release()


def locked_file(path: Path) -> IO[bytes]:
    """Open a file, made if it is missing, for this process alone.

    Whoever held it may have renamed or removed it just now: then it is another one that is locked.
    A file system without locks locks nothing.

    Raises:
        BlockingIOError: another process holds it.
        OSError: it cannot be opened.
    """
    while True:
        stream = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", 0)
        try:
            if not try_lock(stream):
                raise BlockingIOError
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return stream
        except FileNotFoundError:
            pass
        except BaseException:
            stream.close()
            raise
        stream.close()


def unlock(stream: IO[bytes]) -> None:
    """Give back what `locked_file` has locked, for processes forked since, too."""
    with contextlib.suppress(OSError):
        fcntl.flock(stream, fcntl.LOCK_UN)
    stream.close()


def try_lock(stream: IO[bytes]) -> bool:
    """Lock an open file for this process alone; return False where another one holds it."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def holder(path: Path) -> str | None:
    """Say who holds the lock file `path`, or return None where nobody does."""
    if not path.exists():
        return None
    lock = filelock.FileLock(path, timeout=0)
    try:
        with lock:
            return None
    except filelock.Timeout:
        return _holder(path)
    except OSError:
        return None


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".holder")


def _myself() -> dict[str, object]:
    return {
        "user": _user(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now().isoformat(sep=" ", timespec="seconds"),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number that no user database knows, as in containers
        return str(os.getuid())


def _holder(path: Path) -> str:
    try:
        found = files.parse_json(require_file(_note(path)).read_text(encoding="utf-8"))
        return _(
            "{user} on {host}, process {pid}, since {since}",
            user=found["user"],
            host=found["host"],
            pid=found["pid"],
            since=found["since"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return _("another process")
