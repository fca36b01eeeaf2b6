"""The machine says so where a state comes to something that no transition is for."""

from unittest import mock

import pytest

from srwizard.wizard import machine
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.reason import Outcome
from srwizard.wizard.transition_table import ASKING


def test_a_trigger_that_no_transition_has_is_an_error() -> None:
    """Who adds a state gets this wrong first: it must not ask the same for ever."""
    first = next(iter(ASKING))
    conversation = mock.create_autospec(Conversation, instance=True, stop_after=None)
    conversation.session = mock.Mock(state=first, answers=mock.MagicMock())
    with (
        mock.patch.object(machine, "_outcome_of", return_value=Outcome("nxet")),
        pytest.raises(ValueError, match=f"{first} has no transition for 'nxet'"),
    ):
        machine._walk(conversation)
