"""The control groups of this process: the memory and cores they grant, and whom the kernel killed.

Version 2, version 1, and both beside each other, as distributions and containers mount them under
/sys/fs/cgroup. A limit of any group around this process holds for it too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PROCESS = Path("/proc/self/cgroup")
VMSTAT = Path("/proc/vmstat")
NO_LIMIT = 2**60
"""Version 1 writes "no limit" as the largest multiple of a page."""


@dataclass(frozen=True)
class Group:
    """A memory group as its version names the files: limit, use, and where kills are counted."""

    directory: Path
    limit_file: str
    used_file: str
    cache: tuple[str, str]
    kills_file: str

    def limit(self) -> int | None:
        """Return the limit in bytes, None where there is none or it cannot be read."""
        try:
            text = (self.directory / self.limit_file).read_text().strip()
            return int(text) if text != "max" and int(text) < NO_LIMIT else None
        except (OSError, ValueError):
            return None

    def used(self) -> int | None:
        """Return the bytes in use without page cache, which can be had back."""
        try:
            used = int((self.directory / self.used_file).read_text())
            stat = self._numbers("memory.stat")
        except (OSError, ValueError):
            return None
        return max(0, used - sum(stat.get(name, 0) for name in self.cache))

    def kills(self) -> int | None:
        """Return how many processes the kernel has killed for want of memory, None if untold."""
        try:
            return self._numbers(self.kills_file).get("oom_kill")
        except (OSError, ValueError):
            return None

    def _numbers(self, name: str) -> dict[str, int]:
        lines = (self.directory / name).read_text().splitlines()
        pairs = (line.split() for line in lines if line)
        return {key: int(value) for key, value in pairs}


def memory_groups() -> Iterator[Group]:
    """Yield the memory groups of this process, from its own to the outermost."""
    for unified, directory in _directories("memory"):
        if unified:
            yield Group(
                directory,
                "memory.max",
                "memory.current",
                ("inactive_file", "active_file"),
                "memory.events",
            )
        else:
            yield Group(
                directory,
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                ("total_inactive_file", "total_active_file"),
                "memory.oom_control",
            )


def cores_granted() -> float | None:
    """Return how many cores' time the groups around this process grant, None without a limit."""
    found = (
        _quota(directory / "cpu.max")
        if unified
        else _quota(directory / "cpu.cfs_quota_us", directory / "cpu.cfs_period_us")
        for unified, directory in _directories("cpu")
    )
    return min((cores for cores in found if cores is not None), default=None)


def _quota(*files: Path) -> float | None:
    """Return what files say: a quota and a period in microseconds, or that there is no limit."""
    try:
        quota, period = (word for file in files for word in file.read_text().split())
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _directories(controller: str) -> Iterator[tuple[bool, Path]]:
    """Yield every group around this process, from its own outwards, and whether of version 2."""
    try:
        lines = PROCESS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if number == "0" and not controllers:
            # Beside version 1, version 2 is mounted one level below.
            for root in (ROOT, ROOT / "unified"):
                for directory in _upwards(root, path):
                    yield True, directory
        elif controller in controllers.split(","):
            for directory in _upwards(ROOT / controller, path):
                yield False, directory


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """Yield a group's directory and those around it, up to the root of its hierarchy.

    In a container the path may be that of the host, of which only the root is there.
    """
    directory = root / path.lstrip("/")
    while directory.is_relative_to(root):
        yield directory
        if directory == root:
            return
        directory = directory.parent


def memory_limits() -> list[tuple[int, int]]:
    """Return (limit, bytes in use) of every group around this process that has a limit."""
    found = []
    for group in memory_groups():
        limit, used = group.limit(), group.used()
        if limit is not None and used is not None:
            found.append((limit, used))
    return found


def out_of_memory_kills() -> int | None:
    """Return how many processes the kernel has killed for want of memory, None if untold.

    Counted are those of this process's own group: the groups around it know what their other
    children did, too. Where it has none, those of the machine.
    """
    counts = (group.kills() for group in memory_groups())
    found = next((count for count in counts if count is not None), None)
    return found if found is not None else _kills_on_this_machine()


def _kills_on_this_machine() -> int | None:
    try:
        lines = VMSTAT.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
