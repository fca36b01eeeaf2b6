"""Which process it was: not its number alone, which another process gets once it has ended.

Imports no torch.
"""

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import psutil

LOCK_FILE = ".lock"
"""Held by the process that trains in a run directory."""
Location = Literal["here", "gone", "elsewhere", "unknown"]


def identity_of(pid: int) -> dict[str, Any]:
    """Return what tells a process of this machine from all others, for `status.json`.

    `process_start` counts clock ticks from the start of the machine, which `boot_id` names: the
    clock may be set meanwhile without any harm.
    """
    return {
        "pid": pid,
        "process_start": start_of(pid),
        "host": socket.gethostname(),
        "boot_id": boot_id(),
        "uid": os.getuid(),
    }


def locate(identity: Mapping[str, Any], run_dir: Path | None = None) -> Location:
    """Return whether a process is still there.

    Args:
        identity: from `identity_of`.
        run_dir: the run directory that it must be at work in: a copy of one, or a file from
            somebody else, may name any process.

    Returns:
        "here"; "gone", also where another process has its number now, or is at work elsewhere;
        "elsewhere", on another machine, of which nothing can be said; or "unknown", where the
        identity is not complete.
    """
    pid, start, host = (identity.get(key) for key in ("pid", "process_start", "host"))
    if not isinstance(pid, int) or pid <= 0 or start is None or host is None:
        return "unknown"
    if host != socket.gethostname():
        return "elsewhere"
    if identity.get("boot_id") != boot_id():
        return "gone"
    if start_of(pid) != start or (run_dir is not None and not _is_at_work_in(pid, run_dir)):
        return "gone"
    return "here"


def _is_at_work_in(pid: int, run_dir: Path) -> bool:
    """Return whether a process has the lock file of a run directory open.

    True where that cannot be known: the process is another user's, or the system does not tell.
    """
    try:
        opened = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return True
    try:
        lock = (run_dir / LOCK_FILE).stat()
    except OSError:
        return False
    for link in opened:
        with contextlib.suppress(OSError):
            if os.path.samestat(link.stat(), lock):
                return True
    return False


def start_of(pid: int) -> int | None:
    """Return when a process began, None where it has ended."""
    try:
        # The name stands in parentheses and may hold anything, parentheses too.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except (OSError, IndexError, ValueError):
        pass
    with contextlib.suppress(psutil.Error):
        if not Path("/proc/self/stat").exists():
            return int(psutil.Process(pid).create_time() * 100)
    return None


def owner_of(pid: int) -> int | None:
    """Return the user id of a process, None where it has ended."""
    try:
        return int(psutil.Process(pid).uids().real)
    except psutil.Error:
        return None


def boot_id() -> str | None:
    """Return what names the time since the machine was started, None where it is not told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
