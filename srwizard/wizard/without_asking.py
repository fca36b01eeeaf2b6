"""A conversation with nobody, which leaves no session behind: it leads from answers to a run."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from srwizard.prompts.question import AnswersFilePrompts
from srwizard.settings.answers import SECTIONS, Answers
from srwizard.settings.yaml_file import Document
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.machine import module_of
from srwizard.wizard.session import Session

if TYPE_CHECKING:
    from srwizard.data.dataset import Dataset


class UnsavedSession(Session):
    """A session that is not kept."""

    def save(self) -> None:
        """Leave no file behind."""


def conversation_of(
    answers: Answers,
    document: Document,
    *,
    digests: Sequence[str] = (),
    console: Console | None = None,
    dataset: "Dataset | None" = None,
) -> Conversation:
    """Return a conversation that takes all answers as they are.

    Args:
        answers: those there are.
        document: where they stand, for messages.
        digests: of run configs that count as frozen by it.
        console: what it shows goes there; None: nowhere.
        dataset: the dataset, if it was looked at already.
    """
    session = UnsavedSession(id="", created="", answers=answers, digests=list(digests))
    prompts = AnswersFilePrompts(document, console or Console(file=io.StringIO()))
    return Conversation(session, prompts, dataset=dataset)


def go_through(conversation: Conversation, *, skip: Sequence[str] = ()) -> None:
    """Go through the sections of the answers, so that all are checked and completed.

    Raises:
        UsageError, DatasetError, NeedsPersonError: as in the wizard.
    """
    for section in SECTIONS:
        if section not in skip:
            module_of(section).run(conversation)
