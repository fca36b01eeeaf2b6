"""The processes that a process starts, ended with it."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


_libc = ctypes.CDLL(None)


def end_with_parent(parent: int | None = None, *, by: signal.Signals = signal.SIGTERM) -> None:
    """Let the kernel send this process a signal when its parent ends, even if that is killed.

    Args:
        parent: its process number, where it is known: if it has been killed before this could be
            asked, this process ends at once, for nobody waits for it.
        by: the signal.
    """
    if sys.platform == "linux":
        _libc.prctl(PR_SET_PDEATHSIG, int(by), 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
