"""Signs of life between the machines of one run, through the directory that they share.

A machine that is switched off, or cut off from the network, closes no connection: the processes
of the others would wait for it as long as their collectives may last. So each launcher counts up
in a small file, and looks whether the others still do. No clocks are compared. Imports no torch.
"""

import contextlib
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srwizard.base import files

DIRECTORY = ".nodes"
BEAT_SECONDS = 2.0
SILENCE_SECONDS = 45.0
"""After which a machine counts as lost. A shared file system may show a change only after a while:
NFS keeps what it knows of a file for up to 30 seconds, or 60 of a directory."""
ENDING_SECONDS = 60.0
"""How long to wait for the others to say how they ended."""


@dataclass
class _Seen:
    """What was last read of a machine, and when it last changed by this machine's own clock."""

    said: dict[str, Any]
    since: float = field(default_factory=time.monotonic)


class Heartbeats:
    """The other machines of a run, as far as their launchers give signs of life.

    Args:
        run_dir: that they share.
        silence_seconds: after which one of them counts as lost.
    """

    def __init__(self, run_dir: Path, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._directory = run_dir / DIRECTORY
        self._silence = silence_seconds
        self._own = self._directory / f"{socket.gethostname()}-{os.getpid()}.json"
        self._beat = 0
        self._looked = 0.0
        self._seen: dict[Path, _Seen] = {}
        self._lost: set[Path] = set()
        self._closing = threading.Event()
        self._directory.mkdir(exist_ok=True)
        # Those of an earlier attempt do not move: they count once they do.
        self._still = {path: files.read_json(path) for path in self._directory.glob("*.json")}
        self._thread = threading.Thread(target=self._beat_on, daemon=True)
        self._thread.start()

    def _beat_on(self) -> None:
        while True:
            self._beat += 1
            self._write(ended=None)
            if self._closing.wait(BEAT_SECONDS):
                return

    def _write(self, ended: dict[str, Any] | None) -> None:
        said = {"host": socket.gethostname(), "beat": self._beat, "ended": ended}
        with contextlib.suppress(OSError):
            files.write_json(self._own, said)

    def end(self, how: dict[str, Any] | None) -> None:
        """Give no more signs of life; tell the others how this machine failed, if it did."""
        self._closing.set()
        self._thread.join()
        if how is not None:
            self._write(ended=how)
            return
        with contextlib.suppress(OSError):
            self._own.unlink(missing_ok=True)
            self._directory.rmdir()  # by the last of them

    def any_lost(self) -> bool:
        """Return whether a machine that was there gives no sign of life any more."""
        if time.monotonic() - self._looked > BEAT_SECONDS:
            self._looked = time.monotonic()
            self._lost |= {path for path, seen in self._look().items() if self._is_silent(seen)}
        return bool(self._lost)

    def newly_lost(self) -> bool:
        """Return whether another machine has been lost since this was asked last."""
        before = len(self._lost)
        self.any_lost()
        return len(self._lost) > before

    def _is_silent(self, seen: _Seen) -> bool:
        return not seen.said.get("ended") and time.monotonic() - seen.since > self._silence

    def how_they_ended(self) -> list[dict[str, Any]]:
        """Wait until each of the others has said how it ended, or is lost, and return that.

        Returns:
            For each: "host", and "returncode", "signal", "rank" as it said, or "lost": true.
        """
        until = time.monotonic() + max(ENDING_SECONDS, self._silence + 2 * BEAT_SECONDS)
        while True:
            known, waiting = [], False
            for seen in self._look().values():
                ended = seen.said.get("ended")
                if ended:
                    known.append({"host": seen.said.get("host"), **ended})
                elif self._is_silent(seen):
                    known.append({"host": seen.said.get("host"), "lost": True})
                else:
                    waiting = True
            if not waiting or time.monotonic() > until:
                return known
            time.sleep(BEAT_SECONDS / 4)

    def _look(self) -> dict[Path, _Seen]:
        there = {path for path in self._directory.glob("*.json") if path != self._own}
        for path in self._seen.keys() - there:
            del self._seen[path]  # it has ended well
        for path in there:
            said = files.read_json(path)
            if said is None or said == self._still.get(path):
                continue
            known = self._seen.get(path)
            if known is None or known.said != said:
                self._seen[path] = _Seen(said)
        return self._seen


def clear(run_dir: Path) -> None:
    """Remove what machines of an earlier attempt have left; those that live write anew."""
    for path in (run_dir / DIRECTORY).glob("*.json"):
        with contextlib.suppress(OSError):
            path.unlink()
