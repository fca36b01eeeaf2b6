"""Lets the process that settles the simple methods wait: met with this directory on PYTHONPATH.

Having read the file GATED for its fingerprint, it waits until there is a file GATE before it reads
it again. Every other process is left as it is.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

SETTLER = "srwizard.data.baselines.settler"
GATE, GATED = (Path(os.environ[name]) for name in ("GATE", "GATED"))
opened = 0


def wait(event: str, arguments: tuple[Any, ...]) -> None:
    """Wait where the file is opened for the second time."""
    global opened
    if event == "open" and str(arguments[0]) == str(GATED):
        opened += 1
        while opened == 2 and not GATE.exists():
            time.sleep(0.02)


if SETTLER in sys.orig_argv:
    sys.addaudithook(wait)
