"""Lists of numbers as people type them."""

import pytest

from srwizard.base.typed_numbers import numbers
from srwizard.prompts.question import Question, parse
from srwizard.settings.preparation import Preparation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 10", [5, 10]),
        ("5, 10", [5, 10]),
        ("0，97.5；500", [0, 97.5, 500]),
        ("[0, 1e3]", [0, 1000]),
        ("-999", [-999]),
        ("", []),
    ],
)
def test_numbers_are_separated_by_blanks_or_commas(text: str, expected: list[float]) -> None:
    assert numbers(text) == expected
    assert parse(Question("data.prepare.depth", "Depths", "floats"), text) == expected


def test_what_is_no_number_is_told() -> None:
    with pytest.raises(ValueError, match="0 100 500"):
        numbers("5 m")


def test_depths_in_an_answers_file_may_be_a_text() -> None:
    assert Preparation(depth="0, 100").depth == [0, 100]  # type: ignore[arg-type]
