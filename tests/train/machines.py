"""Two machines on one: network namespaces joined by a cable, with host names of their own.

Linux only, and only for root; see ip-netns(8) and unshare(2).
"""

import contextlib
import functools
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import forking

_numbers = itertools.count()


@dataclass(frozen=True)
class Machine:
    """A network namespace with an address.

    Args:
        host: its host name.
        namespace: name of its network namespace.
        address: under which the other one reaches it.
    """

    host: str
    namespace: str
    address: str

    @property
    def enter(self) -> Callable[[], None]:
        """What a process does before it begins, to run on this machine."""
        return functools.partial(forking.enter_machine, self.namespace, self.host)

    def cut_off(self) -> None:
        """Pull the cable: nothing that is sent arrives any more, and no connection is closed."""
        _ip("-n", self.namespace, "link", "set", "cable", "down")


def can_be_made() -> bool:
    """Return whether this machine and user can make two such machines, by making them."""
    if os.getuid() != 0:
        return False
    try:
        with two_machines() as (one, other):
            for machine, address in ((one, other.address), (other, one.address)):
                reached = f"import socket; socket.create_connection(({address!r}, 9), 5)"
                done = subprocess.run(
                    [sys.executable, "-c", reached],
                    preexec_fn=machine.enter, capture_output=True, text=True,
                )  # fmt: skip
                if "ConnectionRefusedError" not in done.stderr:
                    return False
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@contextlib.contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Make two machines that reach each other, and nobody else."""
    number = next(_numbers)
    names = [f"srw{os.getpid()}x{number}{side}" for side in "ab"]
    machines = (
        Machine("north", names[0], "10.77.0.1"),
        Machine("south", names[1], "10.77.0.2"),
    )
    try:
        for name in names:
            _ip("netns", "add", name)
        ends = ("cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns")
        _ip("link", "add", *ends, names[1])
        for machine in machines:
            inside = ("-n", machine.namespace)
            _ip(*inside, "addr", "add", f"{machine.address}/24", "dev", "cable")
            _ip(*inside, "link", "set", "cable", "up")
            _ip(*inside, "link", "set", "lo", "up")
        yield machines
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def log_files(run_dir: Path) -> str:
    """Return all logs of a run directory, for a message."""
    return "\n".join(path.read_text(errors="replace")[-2000:] for path in run_dir.glob("*.log"))
