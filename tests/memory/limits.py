"""A limit on the memory of a process and its children: a control group, else its address space."""

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from srwizard.hardware import cgroups

MIB = 2**20


@contextlib.contextmanager
def limited_group(limit_bytes: int) -> Iterator[Callable[[], None] | None]:
    """Yield what a child calls to enter a group with this limit; None where none can be made."""
    for root, name in (
        (cgroups.ROOT, "memory.max"),
        (cgroups.ROOT / "unified", "memory.max"),
        (cgroups.ROOT / "memory", "memory.limit_in_bytes"),
    ):
        group = root / f"srwizard-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / name).write_text(str(limit_bytes))
        except OSError:
            _remove(group)
            continue
        try:
            yield lambda: _enter(group)  # noqa: B023 - used before the loop goes on
        finally:
            _remove(group)
        return
    yield None


@contextlib.contextmanager
def limited(limit_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield what a child calls to live under this limit, in a group or by its address space."""
    with limited_group(limit_bytes) as enter:
        yield enter or (lambda: resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes)))


@pytest.fixture
def needs_a_group() -> None:
    """Skip where no control group can be made."""
    with limited_group(512 * MIB) as enter:
        if enter is None:
            pytest.skip("no control group can be made here")


def _enter(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _remove(group: Path) -> None:
    with contextlib.suppress(OSError):
        group.rmdir()
