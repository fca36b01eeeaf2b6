"""Whether the cores are idle that a training is about to use."""

import os

import psutil

LOOK_SECONDS = 0.1
BUSY_PERCENT = 30.0
"""What a core has to do in this time to count as busy: more than a wizard and a shell."""


def cores_are_idle() -> bool:
    """Look for a tenth of a second whether nobody computes on the cores of this process.

    Where that cannot be seen they count as busy.
    """
    try:
        shares = psutil.cpu_percent(interval=LOOK_SECONDS, percpu=True)
    except (OSError, psutil.Error, ValueError, IndexError):
        return False
    ours = os.sched_getaffinity(0)
    return max(ours) < len(shares) and all(shares[core] < BUSY_PERCENT for core in ours)
