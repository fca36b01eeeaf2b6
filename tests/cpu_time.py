"""The processor time of every test, its children included: what is not marked slow takes little.

Processor time, not time on the clock: a busy machine makes no test fail. A child counts once it has
been waited for, with all that it has waited for itself.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ALLOWED_SECONDS = 5.0
TABLE = "SRWIZARD_TEST_TIMES"
"""An environment variable: a directory in which to keep the times, a file for each process."""


def spent_seconds() -> float:
    """Return the processor time of this process and the children that it has waited for."""
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that has passed but took too long for one that is not marked slow."""
    before = spent_seconds()
    try:
        yield
    finally:
        spent = spent_seconds() - before
        _note(item.nodeid, "call", spent)
    if spent > ALLOWED_SECONDS and item.get_closest_marker("slow") is None:
        pytest.fail(
            f"{spent:.1f} s of processor time, children included; without @pytest.mark.slow a test "
            f"has {ALLOWED_SECONDS:.0f} s. Make the work smaller, share it in a fixture of the "
            "module or session, fork the processes (tests/forked.py), or mark the test as slow.",
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
