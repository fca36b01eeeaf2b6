"""Requests to stop that come at an awkward moment."""

import subprocess
import sys

import pytest

FREES = """
import signal, time
from srwizard.base import interrupts

class Freed:
    def __del__(self):
        signal.raise_signal(signal.{signal})
        len([])

interrupts.listen()
try:
    freed = Freed()
    del freed
    time.sleep(20)
    print("went on")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_request_while_an_object_is_freed_is_not_lost(signal: str) -> None:
    """Python passes over exceptions there, and prints a traceback."""
    code = FREES.format(signal=signal)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted\n", "", 0)


def test_nothing_is_repeated_once_all_is_done() -> None:
    """As when the request is passed over while the process ends."""
    code = FREES.format(signal="SIGTERM").replace("time.sleep(20)", "time.sleep(0.5)")
    code = code.replace("    del freed\n", "    del freed; interrupts.pass_over()\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("went on\n", "", 0)
