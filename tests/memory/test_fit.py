"""The largest batch that fits: by predictions, then by a few dry runs."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srwizard.memory.fit import MOST_DRY_RUNS, Line, largest_batch
from srwizard.memory.measure import DryRun
from srwizard.memory.verdict import FITS_UP_TO, judge

CAPACITY = 10_000


def line(fixed: int, each: int) -> Callable[[int], int]:
    return lambda size: fixed + each * size


def measuring(
    peak: Callable[[int], int], tried: list[int], *, out_of_memory: bool = True
) -> Callable[[int], DryRun]:
    """Return a dry run that needs `peak`; above all there is, it runs out of memory."""

    def measure(size: int) -> DryRun:
        tried.append(size)
        needed = peak(size)
        seen = None if needed > CAPACITY and out_of_memory else needed
        return DryRun(judge(needed, CAPACITY), "cpu x 1", CAPACITY, seen)

    return measure


@given(fixed=st.integers(0, 9000), each=st.integers(1, 4000), limit=st.integers(1, 300))
def test_on_a_line_it_is_exact(fixed: int, each: int, limit: int) -> None:
    within = FITS_UP_TO * CAPACITY
    fitting = [size for size in range(1, limit + 1) if fixed + each * size <= within]
    found = Line(line(fixed, each)).largest(limit, within)
    assert found == (max(fitting) if fitting else None)


@pytest.mark.parametrize("kink", [5, 20, 60])
def test_off_the_line_it_still_fits(kink: int) -> None:
    """Where another algorithm is chosen from some batch on."""

    def peak(size: int) -> int:
        return 1000 + 100 * size + (3000 if size >= kink else 0)

    found = Line(peak).largest(200, FITS_UP_TO * CAPACITY)
    assert found is not None
    assert peak(found) <= FITS_UP_TO * CAPACITY < peak(found + 1)


def test_three_predictions_are_enough_on_a_line() -> None:
    asked = []

    def peak(size: int) -> int:
        asked.append(size)
        return 1000 + 10 * size

    assert Line(peak).largest(10_000, 8500) == 750
    assert len(asked) <= 4


def test_predictions_alone_confirm_nothing() -> None:
    found = largest_batch(line(500, 100), None, limit=500, capacity_bytes=CAPACITY)
    assert (found.value, found.confirmed, found.tried) == (80, False, [])


@pytest.mark.parametrize("off", [0.7, 0.95, 1.0, 1.06, 1.3])
def test_what_is_measured_corrects_what_was_predicted(off: float) -> None:
    tried: list[int] = []
    true = lambda size: round(off * (500 + 100 * size))  # noqa: E731
    found = largest_batch(
        line(500, 100), measuring(true, tried), limit=500, capacity_bytes=CAPACITY
    )
    assert 1 <= len(tried) <= MOST_DRY_RUNS
    assert found.confirmed
    assert found.value is not None
    assert true(found.value) <= FITS_UP_TO * CAPACITY < true(found.value + 2)


def test_no_more_dry_runs_than_promised_where_it_keeps_running_out() -> None:
    tried: list[int] = []
    found = largest_batch(
        line(0, 10), measuring(line(9000, 600), tried), limit=500, capacity_bytes=CAPACITY
    )
    assert len(tried) <= MOST_DRY_RUNS
    assert (found.value, found.confirmed) == (None, False)


def test_not_even_one_sample() -> None:
    tried: list[int] = []
    found = largest_batch(
        line(9000, 100), measuring(line(0, 1), tried), limit=8, capacity_bytes=CAPACITY
    )
    assert (found.value, tried) == (None, [])


def test_no_capacity_at_all() -> None:
    assert largest_batch(line(1, 1), None, limit=8, capacity_bytes=0).value is None
