"""Lists of words, as they are typed."""

import pytest

from srwizard.prompts.question import Question, as_typed, parse


@pytest.mark.parametrize(
    "words",
    [
        ["--comment=two words", "--gres=gpu:4"],
        ["a'b", 'say "no"'],
        ["海 洋", "x"],
        [],
        ["--x=\\d"],
    ],
)
def test_words_that_are_offered_again_stay_the_same(words: list[str]) -> None:
    question = Question("devices.slurm_directives", "Options", "words", [])
    assert parse(question, as_typed(words)) == words


def test_a_quote_that_does_not_end_is_a_part_of_a_word() -> None:
    question = Question("devices.slurm_directives", "Options", "words", [])
    assert parse(question, "--comment='x y") == ["--comment='x", "y"]
