"""Where the limits of the verdict lie."""

import pytest

from srwizard.memory.verdict import judge, worst


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


@pytest.mark.parametrize(
    ("least", "reserved", "verdict"),
    [
        (700, 850, "fits"),
        (700, 900, "tight"),
        (700, 999, "tight"),  # the allocator would give back what nobody uses
        (951, 999, "does not fit"),
    ],
)
def test_what_an_allocator_would_give_back_is_no_reason_to_refuse(
    least: int, reserved: int, verdict: str
) -> None:
    assert judge(reserved, 1000, least) == verdict


def test_the_least_favourable_verdict_counts() -> None:
    assert worst(["fits", "does not fit", "tight"]) == "does not fit"
    assert worst(["fits", "tight"]) == "tight"
