"""Checks before several machines train: each says what it is and what it sees.

All ranks take part, over the process group that training will use.
"""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from srwizard.base import files
from srwizard.base.errors import TrainingFailedError
from srwizard.base.i18n import listed
from srwizard.base.i18n import translate as _
from srwizard.settings.run_config import RunConfig, software_versions
from srwizard.train.distributed import Place, from_all_ranks, wait_for_all

TOKEN_FILE = ".roll-call"
SEEING_SECONDS = 60.0
"""A shared file system may keep for so long that a file is not there."""
CLOCK_SECONDS = 5.0
"""Clocks further apart are spoken of: the times in the records could then not be compared."""
MUST_AGREE = ("srwizard", "torch", "run", "work")


class MachinesDifferError(TrainingFailedError):
    """Machines that cannot train together; the message names each and what differs."""


def several_machines() -> bool:
    """Return whether torchrun has brought several machines together."""
    return int(os.environ.get("GROUP_WORLD_SIZE", 1)) > 1


def call_the_roll(place: Place, run: RunConfig, run_dir: Path, work: str) -> list[str]:
    """Make sure that all machines can train this run together.

    Args:
        place: of this rank.
        run: the run config as this machine has read it.
        run_dir: the run directory, which all of them must share.
        work: what this process is about to do; all must do the same.

    Returns:
        Notices: what may be, but should be known.

    Raises:
        MachinesDifferError: other versions, another run config, or a directory that is not shared.
    """
    if not several_machines():
        return []
    if place.is_first:
        files.write_text(run_dir / TOKEN_FILE, secrets.token_hex(16))
    token = from_all_ranks(place, _token(run_dir))[0]
    versions = software_versions()
    told = from_all_ranks(
        place,
        {
            "host": socket.gethostname(),
            "time": time.time(),
            "srwizard": versions["srwizard"],
            "torch": versions["torch"],
            "run": run.digest,
            "work": work,
        },
    )
    seen = from_all_ranks(place, _sees(run_dir, token))
    wait_for_all(place)
    if place.is_first:
        with contextlib.suppress(OSError):
            (run_dir / TOKEN_FILE).unlink()
    problems = [*_differences(told), *_not_shared(told, seen, run_dir)]
    if problems:
        raise MachinesDifferError("; ".join(problems))
    return list(_clocks(told))


def _token(run_dir: Path) -> str | None:
    try:
        return (run_dir / TOKEN_FILE).read_text(encoding="utf-8")
    except OSError:
        return None


def _sees(run_dir: Path, token: str | None) -> bool:
    until = time.monotonic() + SEEING_SECONDS
    while _token(run_dir) != token:
        if time.monotonic() > until or not _is_on_the_network(run_dir):
            return False
        time.sleep(0.5)
    return True


def _is_on_the_network(path: Path) -> bool:
    """Return whether a directory may show a file late; on a disk of its own it is there at once."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    place = f"{os.major(path.stat().st_dev)}:{os.minor(path.stat().st_dev)}"
    kinds = {
        line.rpartition(" - ")[2].split()[0]
        for line in mounts.splitlines()
        if line.split()[2] == place
    }
    return not kinds <= {"ext4", "ext3", "xfs", "btrfs", "tmpfs", "overlay", "zfs"}


def _differences(told: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what must agree and does not, by machine."""
    titles = {
        "srwizard": _("version of srwizard"),
        "torch": _("version of torch"),
        "run": _("run config"),
        "work": _("command"),
    }
    for key in MUST_AGREE:
        by_host = {str(one["host"]): str(one[key])[:26] for one in told}
        if len(set(by_host.values())) > 1:
            values = listed(f"{host}: {value}" for host, value in by_host.items())
            yield _("the machines differ in {what} ({values})", what=titles[key], values=values)


def _not_shared(
    told: Sequence[dict[str, Any]], seen: Sequence[bool], run_dir: Path
) -> Iterator[str]:
    blind = dict.fromkeys(
        str(one["host"]) for one, sees in zip(told, seen, strict=True) if not sees
    )
    if blind:
        yield _(
            "{hosts} cannot see what {first} writes into {run_dir}: it must be on a file system "
            "that all machines share",
            hosts=listed(blind),
            first=told[0]["host"],
            run_dir=run_dir,
        )


def _clocks(told: Sequence[dict[str, Any]]) -> Iterator[str]:
    for one in told:
        apart = float(one["time"]) - float(told[0]["time"])
        if abs(apart) > CLOCK_SECONDS:
            yield _(
                "The clock of {host} is {seconds:.0f} s away from that of {first}: times in the "
                "records cannot be compared. Set the clocks, for example with chrony.",
                host=one["host"],
                seconds=abs(apart),
                first=told[0]["host"],
            )
            return
