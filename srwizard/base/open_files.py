"""How many files a process may have open."""

import contextlib
import resource

MOST = 65536
"""More than any run opens; without a bound, what looks at all of them would take seconds."""


def allow_more_open_files() -> None:
    """Raise the limit of open files as far as this process may; those that it starts inherit it.

    Loader processes hand over each tensor as an open file, and the usual 1024 are soon used up. The
    hard limit (`ulimit -Hn`) stays.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
