"""Where the limits of the verdict lie."""

import pytest

from srwizard.memory.verdict import judge


@pytest.mark.parametrize(
    ("peak", "capacity", "verdict"),
    [
        (0, 1000, "fits"),
        (850, 1000, "fits"),
        (851, 1000, "tight"),
        (950, 1000, "tight"),
        (951, 1000, "does not fit"),
        (2000, 1000, "does not fit"),
        (1, 0, "does not fit"),
        (0, 0, "does not fit"),
    ],
)
def test_limits(peak: int, capacity: int, verdict: str) -> None:
    assert judge(peak, capacity) == verdict
