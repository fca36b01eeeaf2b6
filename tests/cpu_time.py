"""The processor time of every test, its children included: what is not marked slow takes little.

Processor time, not time on the clock: a busy machine makes no test fail. Nor does a slow one: it
counts by how long it takes to do a sum. A child counts once it has been waited for, with all that
it has waited for itself.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ALLOWED_SECONDS = 5.0
"""On a machine that does the sum in `SECONDS_FOR_A_SUM`; on a slower one, more in proportion."""
SECONDS_FOR_A_SUM = 0.03
TABLE = "SRWIZARD_TEST_TIMES"
"""An environment variable: a directory in which to keep the times, a file for each process."""


def spent_seconds() -> float:
    """Return the processor time of this process and the children that it has waited for."""
    return sum(os.times()[:4])


def allowed_seconds() -> float:
    """Return what a test may take here and now that is not marked slow."""
    taken = []
    for _attempt in range(3):
        begun = time.process_time()
        sum(number * number for number in range(1_000_000))
        taken.append(time.process_time() - begun)
    return ALLOWED_SECONDS * max(1.0, min(taken) / SECONDS_FOR_A_SUM)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that has passed but took too long for one that is not marked slow."""
    before = spent_seconds()
    try:
        yield
    finally:
        spent = spent_seconds() - before
        _note(item.nodeid, "call", spent)
    if spent <= ALLOWED_SECONDS or item.get_closest_marker("slow") is not None:
        return
    if spent > (allowed := allowed_seconds()):
        pytest.fail(
            f"{spent:.1f} s of processor time, children included; without @pytest.mark.slow a test "
            f"has {allowed:.0f} s here. Make the work smaller, share it in a fixture of "
            "the module or session, fork the processes (tests/forked.py), or mark it as slow.",
            pytrace=False,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Note what the fixtures of a test take; they are allowed all they need."""
    before = spent_seconds()
    try:
        yield
    finally:
        _note(item.nodeid, "setup", spent_seconds() - before)


def _note(test: str, phase: str, seconds: float) -> None:
    directory = os.environ.get(TABLE)
    if directory:
        with (Path(directory) / f"{os.getpid()}.tsv").open("a") as table:
            table.write(f"{seconds:.2f}\t{phase}\t{test}\n")
