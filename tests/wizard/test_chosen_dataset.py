"""How often the wizard looks at the dataset: once, and again where time has passed."""

import io
from pathlib import Path

import numpy as np
from rich.console import Console

from srwizard.prompts.question import AnswersFilePrompts, Question
from srwizard.settings import yaml_file
from srwizard.states import data
from srwizard.wizard.chosen_dataset import (
    chosen_dataset,
    chosen_fingerprint,
    dataset_as_it_is_now,
    opened_dataset,
)
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.without_asking import UnsavedSession
from tests.datasets import write_dataset

QUESTION = Question(key="", text="Go ahead?", kind="yes_no", default=True)


def conversation_on(root: Path, *, interactive: bool) -> Conversation:
    session = UnsavedSession(id="", created="")
    session.answers.set("data.root", str(root))
    prompts = AnswersFilePrompts(yaml_file.parse(b"", ""), Console(file=io.StringIO()))
    prompts.interactive = interactive
    return Conversation(session, prompts)


def test_an_answers_file_takes_no_time(tmp_path: Path) -> None:
    conversation = conversation_on(write_dataset(tmp_path / "data"), interactive=False)
    dataset = dataset_as_it_is_now(conversation)
    conversation.ask(QUESTION)
    chosen_fingerprint(conversation)
    assert dataset_as_it_is_now(conversation) is dataset
    assert chosen_dataset(conversation) is dataset.summary


def test_a_person_may_have_taken_hours(tmp_path: Path) -> None:
    conversation = conversation_on(write_dataset(tmp_path / "data"), interactive=True)
    dataset = dataset_as_it_is_now(conversation)
    assert dataset_as_it_is_now(conversation) is dataset
    conversation.ask(QUESTION)
    assert opened_dataset(conversation) is dataset
    assert dataset_as_it_is_now(conversation) is not dataset
    assert dataset_as_it_is_now(conversation) is opened_dataset(conversation)


def test_another_answer_is_another_dataset(tmp_path: Path) -> None:
    conversation = conversation_on(write_dataset(tmp_path / "data"), interactive=False)
    first = opened_dataset(conversation)
    root = write_dataset(tmp_path / "other", variables=("salt",))
    conversation.session.answers.set("data.root", str(root))
    assert opened_dataset(conversation).root == root != first.root


def unsampled_change(root: Path) -> None:
    """Change a value that lies between the blocks of a fingerprint."""
    file = min((root / "train" / "hr" / "temp").iterdir())
    values = np.load(file)
    values[20, 5] += 1
    np.save(file, values)


def test_a_change_anywhere_is_noticed_by_a_session(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", hr_shape=(64, 96))
    conversation = conversation_on(root, interactive=False)
    data.settle(conversation)
    before = chosen_fingerprint(conversation)
    assert data.stale(conversation) is None
    unsampled_change(root)
    conversation.dataset = None
    assert chosen_fingerprint(conversation) == before
    assert "has changed" in (data.stale(conversation) or "")


def test_a_session_of_an_older_version_is_compared_by_its_fingerprint(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    conversation = conversation_on(root, interactive=False)
    conversation.session.fingerprint = chosen_fingerprint(conversation)
    assert data.stale(conversation) is None
    np.save(min((root / "train" / "hr" / "temp").iterdir()), np.ones((16, 24), np.float32))
    conversation.dataset = None
    assert "has changed" in (data.stale(conversation) or "")
