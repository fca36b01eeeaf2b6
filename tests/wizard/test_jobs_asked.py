"""Answers about other machines, from an answers file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from srwizard.base import i18n
from srwizard.base.errors import UsageError
from srwizard.settings.answers import Answers, DevicesAnswers
from srwizard.settings.yaml_file import Document
from srwizard.slurm import client
from srwizard.slurm.client import Partition
from srwizard.wizard import other_machines
from srwizard.wizard.without_asking import conversation_of
from tests.datasets import write_dataset


@pytest.fixture
def asked(tmp_path: Path) -> Callable[..., DevicesAnswers]:
    root = write_dataset(tmp_path / "data", steps=(1, 1, 1))

    def ask(**devices: Any) -> DevicesAnswers:
        given = {"data": {"root": str(root)}, "devices": devices}
        answers = Answers.model_validate(given)
        conversation = conversation_of(answers, Document("answers.yaml", given))
        other_machines.ask(conversation)
        return conversation.session.answers.devices

    return ask


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster whose default partition has no GPUs, and another one with four a machine."""
    offered = [
        Partition(name, name == "cpu", True, "infinite", 9, 32, 65536, gres)
        for name, gres in (("cpu", ""), ("gpu", "gpu:a100:4"))
    ]
    monkeypatch.setattr(client, "available", lambda: True)
    monkeypatch.setattr(client, "partitions", lambda: offered)


@pytest.mark.parametrize(
    ("given", "gpus"),
    [({}, 0), ({"slurm_partition": "cpu"}, 0), ({"slurm_partition": "gpu"}, 4)],
)
def test_a_job_takes_as_many_gpus_as_its_partition_has(
    given: dict[str, Any], gpus: int, cluster: None, asked: Callable[..., DevicesAnswers]
) -> None:
    assert asked(launcher="slurm", **given).gpus_per_node == gpus


def test_gpus_bring_a_partition_that_has_them(
    cluster: None, asked: Callable[..., DevicesAnswers]
) -> None:
    found = asked(launcher="slurm", gpus_per_node=2)
    assert (found.slurm_partition, found.gpus_per_node) == ("gpu", 2)


@pytest.mark.parametrize("launcher", ["nodes", "slurm"])
def test_numbers_of_gpus_here_are_refused(
    launcher: str, cluster: None, asked: Callable[..., DevicesAnswers]
) -> None:
    with pytest.raises(UsageError, match=f"devices.launcher is {launcher}") as found:
        asked(launcher=launcher, gpus=[0, 1])
    assert "devices.gpus_per_node" in str(found.value.hint)


def test_the_command_for_each_machine_names_the_language() -> None:
    i18n.set_language("zh")
    i18n.name_language_in(["train", "status"])
    try:
        lines = other_machines.how_to_begin(Path("/runs/first"))
    finally:
        i18n.set_language("en")
        i18n._commands = None
    assert "  srwizard --lang zh train /runs/first --dry-run-first" in lines
