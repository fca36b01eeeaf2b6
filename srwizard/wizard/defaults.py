"""Answering what is left as a person would who only presses Enter."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from srwizard.base.errors import DatasetError, UsageError
from srwizard.prompts.defaults import DefaultPrompts
from srwizard.wizard.machine import module_of

if TYPE_CHECKING:
    from srwizard.wizard.conversation import Conversation


def take_defaults(conversation: "Conversation", states: Sequence[str]) -> bool:
    """Go through states with the default of every question; return whether all were possible.

    What was answered until then stays: whoever goes on by hand finds it as the default.
    """
    person = conversation.prompts
    conversation.prompts = DefaultPrompts(person)
    try:
        for state in states:
            module_of(state).run(conversation)
    except (UsageError, DatasetError):
        return False
    finally:
        conversation.prompts = person
    return True
