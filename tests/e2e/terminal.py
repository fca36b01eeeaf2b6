"""A person at a real pseudo-terminal: types, and reads what stands on the screen."""

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyte

from tests.forked import PROGRAM
from tests.forking import take_terminal

__all__ = ["PROGRAM", "Terminal"]

PATIENCE = 120.0
ENTER, ESCAPE, CTRL_A, CTRL_B, CTRL_C, CTRL_U = "\r", "\x1b", "\x01", "\x02", "\x03", "\x15"
DOWN, UP = "\x1b[B", "\x1b[A"
F2, CTRL_G = "\x1bOQ", "\x07"


class Terminal:
    """One program in a pseudo-terminal of `rows` x `columns`."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        rows: int = 24,
        columns: int = 80,
        program: str = PROGRAM,
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=2000, ratio=1.0)
        self._stream = pyte.Stream(self.screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._text: str | None = None
        self._has_more = False
        # The program asks where the cursor is, as terminals are asked; the screen answers.
        self.screen.write_process_input = self._answer
        self._keyboard, other_end = pty.openpty()
        fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._child = subprocess.Popen(
            [program, *arguments],
            cwd=cwd,
            # A terminal has the size that it has; pytest-xdist sets these for its workers.
            env={
                name: value
                for name, value in environment.items()
                if name not in ("COLUMNS", "LINES")
            },
            stdin=other_end,
            stdout=other_end,
            stderr=other_end,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(other_end)

    def _answer(self, data: str) -> None:
        self.send(data)

    @property
    def rows(self) -> int:
        """How many lines the screen has."""
        return int(self.screen.lines)

    @property
    def pid(self) -> int:
        """The process at the other end."""
        return int(self._child.pid)

    @property
    def text(self) -> str:
        """Everything that was shown so far and still stands, scrolled-off lines included."""
        if self._text is None:
            self._text = self._all_lines()
        return self._text

    def _all_lines(self) -> str:
        return "\n".join(map(self._characters, (*self.screen.history.top, *self._lines())))

    def _lines(self) -> list[Mapping[int, pyte.screens.Char]]:
        return [self.screen.buffer[row] for row in range(self.screen.lines)]

    def _characters(self, line: Mapping[int, pyte.screens.Char]) -> str:
        # Not `screen.display`: it cannot have half of a wide character be written over.
        return "".join(line[column].data for column in range(self.screen.columns)).rstrip()

    @property
    def visible(self) -> str:
        """What stands on the screen now."""
        return "\n".join(map(self._characters, self._lines()))

    def wait_for_any(self, *texts: str, patience: float = PATIENCE) -> None:
        """Read until one of the texts has been shown."""
        end = time.monotonic() + patience
        while not any(text in self.text for text in texts):
            if time.monotonic() > end or not self._read():
                raise AssertionError(f"never shown: {texts}\n{self.text}")

    def wait_for(self, text: str, *, count: int = 1, patience: float = PATIENCE) -> None:
        """Read until `text` has been shown `count` times."""
        end = time.monotonic() + patience
        while self.text.count(text) < count:
            if time.monotonic() > end:
                raise AssertionError(f"never shown: {text!r}\n{self.text}")
            if not self._read() and self.text.count(text) < count:
                raise AssertionError(f"ended before {text!r} was shown:\n{self.text}")
        # And what is shown together with it.
        while self._read(patience=0.0) and self._has_more:
            pass

    def send(self, keys: str) -> None:
        """Type."""
        os.write(self._keyboard, keys.encode())

    def wait_for_end(self) -> int:
        """Read to the end and return the exit code (128 + signal if it was killed)."""
        end = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < end, self.text
        code = self._child.wait(PATIENCE)
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        """Close the terminal's window, or cut its connection: the program gets SIGHUP and EIO."""
        os.close(self._keyboard)
        self._keyboard = -1

    def wait_for_exit(self) -> int:
        """Wait for a program whose terminal was closed, and return its exit code."""
        code = self._child.wait(PATIENCE)
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        """Kill the program as `kill -9` does, with all that it started, if it has not ended."""
        self._child.kill()
        self._child.wait()
        if self._keyboard >= 0:
            os.close(self._keyboard)
            self._keyboard = -1

    def _read(self, patience: float = 0.1) -> bool:
        """Take in what is shown within so many seconds; return whether more can come."""
        self._has_more = bool(select.select([self._keyboard], [], [], patience)[0])
        if not self._has_more:
            return True
        try:
            # Little at a time: what is shown and taken away again must not be missed.
            shown = os.read(self._keyboard, 512)
        except OSError:  # nobody is at the other end any more
            return False
        # pyte drops what follows a variation selector, which terminals do not.
        self._stream.feed(self._decoder.decode(shown).replace("\ufe0f", ""))
        self._text = None
        return bool(shown)
