"""A conversation with nobody, which leaves no session behind: it leads from answers to a run."""

import io
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from srwizard.data.dataset import Dataset
from srwizard.prompts.question import AnswersFilePrompts
from srwizard.settings import yaml_file
from srwizard.settings.answers import Answers, parse_answers
from srwizard.settings.run_config import RunConfig
from srwizard.settings.yaml_file import Document
from srwizard.wizard.chosen_dataset import opened_dataset
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.machine import module_of
from srwizard.wizard.resolve import resolve
from srwizard.wizard.session import Session
from srwizard.wizard.transition_table import ASKING


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
    dataset: Dataset | None = None,
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


def run_of_answers(
    path: Path, overrides: Sequence[str], *, imagined_gpu: bool
) -> tuple[RunConfig, Dataset]:
    """Return the run config that an answers file leads to, without freezing it, and its dataset.

    Args:
        path: of the answers file.
        overrides: KEY=VALUE, as for `srwizard --set`.
        imagined_gpu: whether the run is predicted for GPUs that need not be there.

    Raises:
        UsageError, DatasetError, NeedsPersonError: as in the wizard.
    """
    document = yaml_file.read(path, tuple(overrides))
    answers = parse_answers(document)
    amp_is_decided = answers.has("memory.use_amp")
    if imagined_gpu:
        answers.set("devices.processes", len(answers.devices.gpus) or answers.devices.processes)
        answers.set("devices.gpus", [])
    conversation = conversation_of(answers, document)
    go_through(conversation, skip=("output",))
    if imagined_gpu and not amp_is_decided:
        answers.set("memory.use_amp", True)  # as by default on a GPU
    return resolve(conversation, answers), opened_dataset(conversation)


def go_through(conversation: Conversation, *, skip: Sequence[str] = ()) -> None:
    """Go through all states that ask, so that all answers are checked and completed.

    Raises:
        UsageError, DatasetError, NeedsPersonError: as in the wizard.
    """
    for state in ASKING:
        if state not in skip:
            module_of(state).run(conversation)
