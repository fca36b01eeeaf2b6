"""A terminal that is closed, or whose connection is cut, is no fault of what runs in it.

Nor is a reader that goes, as `tee` does with its terminal: what is at work ends its work.
"""

import errno
import io
import os
import stat
import sys
from pathlib import Path
from typing import Any

_continued_in = Path(os.devnull)


class _OutlivingReader(io.FileIO):
    """Writes to a terminal or pipe and, once nobody is there to read, to the file that
    `write_on_to` has named."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EPIPE):
                raise
        _replace(self.fileno())
        return super().write(data)


def survive(*, readers: bool = True) -> None:
    """Let what is written to standard output and error never fail, whatever the terminal.

    Characters that it does not have are replaced; once it is gone, the text goes elsewhere.

    Args:
        readers: whether to survive those at the other end of a pipe, too; what goes on for ever
            for somebody to read must not.
    """
    _open_what_is_closed()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue
        terminal = stream.isatty()
        if terminal or (readers and _leads_into_a_pipe(stream)):
            stream.flush()
            raw = _OutlivingReader(stream.fileno(), "wb", closefd=False)
            stream = io.TextIOWrapper(
                io.BufferedWriter(raw),
                encoding=stream.encoding,
                line_buffering=terminal or stream.line_buffering,
            )
            setattr(sys, name, stream)
        stream.reconfigure(errors="replace")


def _leads_into_a_pipe(stream: io.TextIOWrapper) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except OSError:  # it leads to no file at all
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _open_what_is_closed() -> None:
    """Let the standard streams lead nowhere where they were closed.

    Otherwise the next file to be opened would have the number of one, and be written into.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def let_encode(sample: str) -> None:
    """Write UTF-8 where the encoding of the locale has none of the language's characters.

    Such a locale (POSIX, Latin-1) was hardly chosen by who asks for that language.
    """
    for stream in (sys.stdout, sys.stderr):
        encoding = getattr(stream, "encoding", None)
        if encoding is not None and not _encodes(encoding, sample):
            stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]


def _encodes(encoding: str, sample: str) -> bool:
    try:
        sample.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def lose_output() -> None:
    """Drop what the standard streams cannot take, so that the end of this process does not fail.

    What they can take is written.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def write_on_to(path: Path) -> None:
    """Name the file that takes what is written once the terminal is gone; before, it is lost."""
    global _continued_in
    _continued_in = path


def has_terminal() -> bool:
    """Return whether this process belongs to a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _replace(descriptor: int) -> None:
    """Let a file descriptor lead to the file that is written on to, or nowhere."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    try:
        opened = os.open(_continued_in, flags, 0o666)
    except OSError:
        opened = os.open(os.devnull, os.O_WRONLY)
    os.dup2(opened, descriptor)
    os.close(opened)
