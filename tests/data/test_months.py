"""The months of steps by their names: dates in usual spellings, no counters."""

import pytest

from srwizard.data.months import months_of


@pytest.mark.parametrize(
    ("names", "months"),
    [
        (["20200131", "20200229"], [1, 2]),
        (["sst_20201231T120000"], [12]),
        (["2020-03-01", "2020-11"], [3, 11]),
        (["202007"], [7]),
        (["00000300", "00000301"], None),
        (["000001", "000002"], None),
        (["20200131", "first"], None),
    ],
)
def test_dates_are_found_and_counters_are_none(names: list[str], months: list[int] | None) -> None:
    found = months_of(names)
    assert (None if found is None else found.tolist()) == months
