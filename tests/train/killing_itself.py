"""A worker that is killed in the middle of a certain call: of the system, or of torch.save.

`python -m tests.train.killing_itself CALL NUMBER RUN_DIR`. It writes after every epoch.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import torch

from srwizard.train import loop, worker


def counted(function: Callable[..., Any], name: str, last: int) -> Callable[..., Any]:
    """Return a function that kills this process when it is called for the `last` time."""
    calls = 0

    def call(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == last:
            if name == "write":
                os.write(arguments[1].fileno(), b"half of a checkpoint")
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **more)

    return call


def main() -> None:
    name, number, run_dir = sys.argv[1:]
    loop.LAST_EVERY_SECONDS = 0.0
    place, called = (torch, "save") if name == "write" else (os, name)
    setattr(place, called, counted(getattr(place, called), name, int(number)))
    worker.main([run_dir])


if __name__ == "__main__":
    main()
