"""A terminal that is closed, or whose connection is cut, is no fault of what runs in it."""

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any

_continued_in = Path(os.devnull)


class _OutlivingTerminal(io.FileIO):
    """Writes to a terminal and, once that is gone, to the file that `write_on_to` has named."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
        _replace(self.fileno())
        return super().write(data)


def survive() -> None:
    """Let what is written to standard output and error never fail, whatever the terminal.

    Characters that it does not have are replaced; once it is gone, the text goes elsewhere.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue
        if stream.isatty():
            stream.flush()
            raw = _OutlivingTerminal(stream.fileno(), "wb", closefd=False)
            stream = io.TextIOWrapper(
                io.BufferedWriter(raw), encoding=stream.encoding, line_buffering=True
            )
            setattr(sys, name, stream)
        stream.reconfigure(errors="replace")


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
