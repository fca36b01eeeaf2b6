"""What stands where a file should, and would be waited for: pipes, sockets, devices."""

import errno
import stat
from pathlib import Path

from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _

KINDS = (
    (stat.S_ISFIFO, N_("it is a named pipe, not a file")),
    (stat.S_ISSOCK, N_("it is a socket, not a file")),
    (stat.S_ISCHR, N_("it is a device, not a file")),
    (stat.S_ISBLK, N_("it is a device, not a file")),
)


class SpecialFileError(OSError):
    """Something else than a file; `strerror` says what, in the user's language."""


def require_file(path: Path) -> Path:
    """Return `path` unless reading it could wait without end.

    Raises:
        SpecialFileError: it is a pipe, a socket or a device.
        OSError: it is not there.
    """
    mode = path.stat().st_mode
    for is_of_kind, what in KINDS:
        if is_of_kind(mode):
            raise SpecialFileError(errno.EINVAL, _(what), str(path))
    return path
