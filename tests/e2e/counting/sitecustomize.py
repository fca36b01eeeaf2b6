"""Notes in every process of a command what it looks at: met with this directory on PYTHONPATH.

A line in LOOKED_AT for each process ("process MODULE"), for each time that the directory
LISTED is listed ("scan PATH"), and for each part that is fingerprinted ("digest PATH"), read to the
last byte ("content PATH"), or whose files are looked up ("stamp PATH").
"""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

NOTES, LISTED = os.environ["LOOKED_AT"], os.environ["LISTED"]


def note(what: str, of: object) -> None:
    """Add a line; each is written whole, whoever else writes."""
    handle = os.open(NOTES, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{what} {of}\n".encode())
    os.close(handle)


def notice(event: str, arguments: tuple[Any, ...]) -> None:
    """Note it where a directory is listed, whatever function does so."""
    if event in ("os.listdir", "os.scandir") and str(arguments[0]) == LISTED:
        note("scan", LISTED)


def count_digests() -> None:
    """Note each part that is digested, by its first file."""
    from srwizard.data import fingerprint

    def counted(what: str, original: Callable[..., str]) -> Callable[..., str]:
        def digest(files: Iterable[Path], *more: Any) -> str:
            found = list(files)
            note(what, found[0])
            return original(found, *more)

        return digest

    fingerprint.sampled_digest = counted("digest", fingerprint.sampled_digest)
    fingerprint.content_digest = counted("content", fingerprint.content_digest)
    fingerprint.stamp_digest = counted("stamp", fingerprint.stamp_digest)


words = sys.orig_argv
note("process", words[words.index("-m") + 1] if "-m" in words else Path(words[-1]).name)
if not hasattr(sys, "counting"):  # else it was forked from a process that counts already
    sys.counting = True  # type: ignore[attr-defined]
    sys.addaudithook(notice)
    count_digests()
