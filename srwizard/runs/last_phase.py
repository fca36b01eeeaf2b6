"""Where a process of a run is, noted in a file that outlives it: SIGKILL leaves no time to tell.

Writing is one call for a few bytes, without waiting for the disk: the kernel keeps them when the
process is gone. Imports no torch.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from srwizard.base import files
from srwizard.runs.sound_records import sound

FILES = ".where.rank*.json"
WIDTH = 160
"""Bytes of the note, padded with blanks, so that a shorter one leaves nothing of a longer one."""


class LastPhase:
    """What a rank is doing: the phase, and the optimizer steps done and epoch there.

    Args:
        directory: where it is noted.
        rank: of this process.
    """

    def __init__(self, directory: Path, rank: int) -> None:
        self.now: dict[str, Any] = {}
        with contextlib.suppress(OSError):
            self._file = _file(directory, rank).open("wb", buffering=0)
        self.note("set-up", None, None)

    def note(self, phase: str, step: int | None, epoch: int | None) -> None:
        """Note what begins; where the note cannot be written, training goes on without it."""
        self.now = {"phase": phase, "step": step, "epoch": epoch}
        with contextlib.suppress(OSError, AttributeError):
            self._file.seek(0)
            self._file.write(json.dumps(self.now).ljust(WIDTH).encode())


def last_seen(directory: Path, rank: int | None) -> dict[str, Any]:
    """Return what a rank was doing when it was last heard of, an empty dict where nobody knows."""
    return sound(files.read_json(_file(directory, rank or 0)) or {})


def clear(directory: Path) -> None:
    """Remove the notes of a run that has ended."""
    for path in directory.glob(FILES):
        path.unlink(missing_ok=True)


def _file(directory: Path, rank: int) -> Path:
    return directory / f".where.rank{rank}.json"
