"""How sure a score is, in a sentence."""

import json
from typing import Any

import pytest

from srwizard.base import i18n
from srwizard.runs.certainty import certainties, certainty
from srwizard.runs.records import null_to_nan


def scores(
    skill: float, low: float | None, high: float | None, independent: float | None = None
) -> dict[str, Any]:
    bounds = None if low is None else [low, high]
    sure = None if low is None or high is None else low > 0 or high < 0
    return {
        "model": {"rmse": 1 - skill, "mae": 1.0},
        "linear": {"rmse": 1.0, "mae": 1.0},
        "best": "linear",
        "skill": skill,
        "interval": {
            "skill": bounds, "distinguishable": sure, "steps": 9, "block": 3,
            "independent_steps": independent,
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            scores(0.05, 0.02, 0.08),
            "5.0 % below that of the best simple method, linear filter (95 % interval: 2.0 to 8.0",
        ),
        (
            scores(-0.05, -0.08, -0.02),
            "5.0 % above that of the best simple method, linear filter (95 % interval: 2.0 to 8",
        ),
        (scores(0.01, -0.02, 0.04), "between 2.0 % above and 4.0 % below"),
        (scores(0.0, -0.0004, 0.0003), "their RMSEs differ by less than 0.05 %"),
        (scores(0.01, None, None), "9 steps, too few for a 95 % interval"),
        (null_to_nan(scores(0.01, None, None)), "9 steps, too few for a 95 % interval"),
        (
            scores(0.01, None, None, independent=1.7),
            "9 steps of the test split tell less than 5 independent ones",
        ),
    ],
)
def test_what_is_said(found: dict[str, Any], words: str) -> None:
    said = certainty("temp", found)
    assert said is not None
    assert said.startswith("temp: ")
    assert words in said


def test_what_is_the_same_of_several_variables_is_said_once() -> None:
    short = scores(0.01, None, None)
    said = certainties({"u": short, "temp": scores(0.05, 0.02, 0.08), "v": short})
    assert [line.split(":")[0] for line in said] == ["u, v", "temp"]


def test_a_best_method_that_hardly_errs_is_not_called_a_short_record() -> None:
    found = scores(0.1, None, None)
    found["interval"] |= {"rmse": {"model": [0.1, 0.2], "best": [0.0, 0.1]}}
    found["interval"] |= {"difference": [-0.02, 0.1]}
    said = certainty("temp", found)
    assert said is not None
    assert "lies -0.02 to +0.1 from that of the best simple method, linear filter" in said
    found["interval"] |= {"difference": [0.0, 0.0]}
    assert certainty("temp", found) is None


def test_nothing_is_said_of_scores_without_an_interval() -> None:
    found = scores(0.1, 0.05, 0.15)
    del found["interval"]
    assert certainty("temp", found) is None


def test_in_chinese() -> None:
    i18n.set_language("zh")
    try:
        said = certainty("temp", scores(0.05, 0.02, 0.08))
    finally:
        i18n.set_language("en")
    assert said is not None
    assert "95 % 置信区间" in said


def test_scores_that_were_written_and_read_again_say_the_same() -> None:
    few = scores(0.01, None, None)
    read = null_to_nan(json.loads(json.dumps(few)))
    assert certainty("temp", read) == certainty("temp", few)


def test_of_fewer_steps_than_it_takes_their_likeness_is_not_blamed() -> None:
    """Three steps are too few however independent they are."""
    found = scores(0.01, None, None, independent=1.7)
    found["interval"]["steps"] = 3
    assert "3 steps, too few for a 95 % interval" in str(certainty("temp", found))
