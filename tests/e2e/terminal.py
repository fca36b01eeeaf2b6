"""A person at a real pseudo-terminal: types, and reads what stands on the screen."""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pexpect
import pyte

PROGRAM = str(Path(sys.executable).with_name("srwizard"))
PATIENCE = 120.0
ENTER, ESCAPE, CTRL_A, CTRL_B, CTRL_C, CTRL_U = "\r", "\x1b", "\x01", "\x02", "\x03", "\x15"
DOWN, UP = "\x1b[B", "\x1b[A"


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
        self._stream = pyte.ByteStream(self.screen)
        # The program asks where the cursor is, as terminals are asked; the screen answers.
        self.screen.write_process_input = self._answer
        self._child = pexpect.spawn(
            program,
            list(arguments),
            cwd=str(cwd),
            env=dict(environment),
            dimensions=(rows, columns),
            timeout=PATIENCE,
        )
        self._child.delaybeforesend = None

    def _answer(self, data: str) -> None:
        self._child.send(data)

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
        above = [
            "".join(line[column].data for column in range(self.screen.columns))
            for line in self.screen.history.top
        ]
        return "\n".join(line.rstrip() for line in (*above, *self.screen.display))

    @property
    def visible(self) -> str:
        """What stands on the screen now."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, text: str, *, count: int = 1, patience: float = PATIENCE) -> None:
        """Read until `text` has been shown `count` times."""
        end = time.monotonic() + patience
        while self.text.count(text) < count:
            if time.monotonic() > end:
                raise AssertionError(f"never shown: {text!r}\n{self.text}")
            if not self._read() and self.text.count(text) < count:
                raise AssertionError(f"ended before {text!r} was shown:\n{self.text}")

    def send(self, keys: str) -> None:
        """Type."""
        self._child.send(keys)

    def wait_for_end(self) -> int:
        """Read to the end and return the exit code (128 + signal if it was killed)."""
        end = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < end, self.text
        self._child.close()
        return (
            self._child.exitstatus
            if self._child.signalstatus is None
            else (128 + self._child.signalstatus)
        )

    def kill(self) -> None:
        """Kill the program as `kill -9` does, with all that it started, if it has not ended."""
        if self._child.isalive():
            os.kill(self._child.pid, signal.SIGKILL)
        self._child.close(force=True)

    def _read(self) -> bool:
        try:
            self._stream.feed(self._child.read_nonblocking(65536, timeout=0.1))
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True
