"""Why the operating system, or a parser, refused: in the user's language."""

import errno
import re

from srwizard.base.i18n import N_, language
from srwizard.base.i18n import translate as _
from srwizard.base.special_files import SpecialFileError

_OF_THE_SYSTEM = {
    errno.EPERM: N_("operation not permitted"),
    errno.ENOENT: N_("no such file or directory"),
    errno.EIO: N_("input/output error"),
    errno.EACCES: N_("permission denied"),
    errno.EBUSY: N_("it is busy"),
    errno.EEXIST: N_("it exists already"),
    errno.ENOTDIR: N_("a part of the path is not a directory"),
    errno.EISDIR: N_("it is a directory"),
    errno.EINVAL: N_("invalid argument"),
    errno.EMFILE: N_("too many files are open (ulimit -n)"),
    errno.ENFILE: N_("too many files are open (ulimit -n)"),
    errno.EFBIG: N_("the file would be larger than is allowed (ulimit -f)"),
    errno.ENOSPC: N_("no space is left on the device"),
    errno.EROFS: N_("the file system is read-only"),
    errno.ENAMETOOLONG: N_("the name is too long"),
    errno.ENOTEMPTY: N_("the directory is not empty"),
    errno.ELOOP: N_("symbolic links lead in a circle"),
    errno.EDQUOT: N_("the disk quota is used up"),
    errno.ESTALE: N_("the network drive has lost the file"),
    errno.ENOTCONN: N_("the network drive is not connected"),
    errno.ETIMEDOUT: N_("the network drive does not answer"),
    errno.ENOMEM: N_("memory is exhausted"),
}
_OF_PLACES = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO, errno.ELOOP,
    errno.EMFILE, errno.ENFILE,
)  # fmt: skip
_LIMITS = {
    errno.EMFILE: N_("Raise the limit of open files, for example ulimit -n 65536, then run the "
                     "command again."),
    errno.EFBIG: N_("Raise the limit of the size of files, ulimit -f unlimited, then run the "
                    "command again."),
}  # fmt: skip
_OF_YAML = (
    (r"mapping values are not allowed", N_("a colon in a place where none is allowed")),
    (r"could not find expected ':'", N_("a colon is missing after a key")),
    (r"expected <block end>", N_("the indentation does not match the lines above")),
    (r"found character '\\t'", N_("a tab; indent with spaces")),
    (r"found unexpected end of stream", N_("a quote or a bracket is not closed")),
    (r"expected ',' or", N_("a comma or a closing bracket is missing")),
    (
        r"found undefined alias",
        N_("*name refers to an anchor (&name) that is not defined before it"),
    ),
    (
        r"found character .* that cannot start any token",
        N_("no value can begin with this character; put the value in quotes"),
    ),
    (
        r"expected alphabetic or numeric character",
        N_("& and * need a name behind them; put the value in quotes"),
    ),
    (r"expected the node content", N_("a value is missing, or a bracket is not closed")),
    (r"found unknown escape", N_("an unknown escape in double quotes; use single quotes")),
    (r"could not determine a constructor", N_("a tag (!name) that is not known")),
    (r"but found another document", N_("a second document (---) in the file")),
    (r".*sequence entries are not allowed", N_("a list item (-) in a place where none is allowed")),
)


def reason_of(error: Exception) -> str:
    """Say why the system refused; what it does not say with a number is left as it is."""
    if isinstance(error, SpecialFileError):
        return str(error.strerror)
    number = error.errno if isinstance(error, OSError) else None
    known = _OF_THE_SYSTEM.get(number) if number is not None else None
    if known is not None:
        return _(known)
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def is_of_the_place(error: OSError) -> bool:
    """Return whether the place that was read or written is at fault: it has no room, or is gone.

    Of an error that names no file, only what cannot come from anything else counts.
    """
    if isinstance(error, SpecialFileError):
        return True
    return error.errno in (_OF_PLACES if error.filename is None else _OF_THE_SYSTEM)


def may_get_room(error: OSError) -> bool:
    """Return whether what was refused can be written once there is room, or permission."""
    return error.errno in (
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    )  # fmt: skip


def hint_at_limit(error: OSError) -> str | None:
    """Say which limit of the shell to raise; None where none was reached."""
    known = _LIMITS.get(error.errno) if error.errno is not None else None
    return None if known is None else _(known)


def yaml_reason(problem: str) -> str:
    """Say what PyYAML found wrong in words that need no knowledge of its parser."""
    known = next((text for pattern, text in _OF_YAML if re.match(pattern, problem)), None)
    if known is not None:
        return _(known)
    return problem if language() == "en" else _("the syntax is wrong")
