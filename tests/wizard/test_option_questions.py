"""The questions that options declare."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from srwizard.settings.answers import Answers
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.option_questions import question


@pytest.fixture
def conversation() -> Conversation:
    at: Any = SimpleNamespace(session=SimpleNamespace(answers=Answers()))
    return cast("Conversation", at)


def test_what_the_program_may_decide_can_be_left_to_it(conversation: Conversation) -> None:
    asked = question(conversation, "training.augment")
    assert asked.default is None
    assert [choice.value for choice in asked.choices] == [None, True, False]
    assert asked.choices[0].title.startswith("automatic: ")


def test_only_what_is_typed_can_be_left_empty(conversation: Conversation) -> None:
    assert "Empty: no limit." in question(conversation, "training.time_budget").help
    assert "By default: all." in question(conversation, "data.variables").help
