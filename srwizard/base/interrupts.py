"""Requests to stop: the SIGTERM of a batch system and a closed terminal do what Ctrl-C does."""

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 0.01
"""After which a request is repeated that came at a moment when Python passes over exceptions."""
_asked = False


def asked() -> bool:
    """Return whether this process has been asked to stop: what fails now may fail of that."""
    return _asked


def listen() -> None:
    """Let each request to stop raise `KeyboardInterrupt`, but for those that are ignored."""
    global _asked
    _asked = False
    sys.unraisablehook = _repeat_later
    signal.signal(signal.SIGALRM, _repeat)
    for number in REQUESTS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


@contextmanager
def held_back(numbers: Iterable[int]) -> Iterator[None]:
    """Let signals wait, also in processes that are started meanwhile: these are not ready for them.

    Each such process lets them through once it is.
    """
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def pass_over() -> None:
    """Ignore what comes from now on: all is done, and the process ends with its exit code."""
    for number in (*REQUESTS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    global _asked
    _asked = True
    if number != signal.SIGINT:
        signal.signal(number, signal.SIG_IGN)  # a shell repeats it; what is being saved goes on
    raise KeyboardInterrupt


def _repeat_later(args: "UnraisableHookArgs") -> None:
    """Repeat a request that came where Python passes over exceptions: while it frees an object.

    Not at once: what this function raises is passed over too, with a traceback. Other exceptions
    are passed over as well: what is told of a damaged file is told by whoever opened it, and its
    library failing once more, while the file is freed, would print a traceback below.
    """
    if issubclass(args.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)


def _repeat(_number: int, _frame: FrameType | None) -> None:
    if signal.getsignal(signal.SIGINT) is not None:
        signal.raise_signal(signal.SIGINT)
