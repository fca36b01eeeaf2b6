"""A training that overfits says so, once, wherever it is looked at."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from srwizard.commands.cli import cli
from srwizard.runs.overfitting import overfitting_since
from srwizard.runs.records import Records
from srwizard.runs.status import status_in
from srwizard.train.screen import Screen
from tests.datasets import write_dataset
from tests.runs.curves import epochs_of
from tests.train.runs import epochs, freeze, made_ready, trained

TURNING = [0.8, *[0.6 + 0.05 * step for step in range(1, 15)]]


def events() -> list[dict[str, object]]:
    found = epochs_of([1 / step for step in range(1, 17)], [*TURNING, 0.5])
    return [
        event | {"overfitting_since": overfitting_since(found[: place + 1])}
        | {"samples_per_second": 1.0}
        for place, event in enumerate(found)
    ]  # fmt: skip


def test_it_is_said_once_and_taken_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run")
    training, records = made_ready(tmp_path / "run"), Records(tmp_path / "run")
    screen = Screen(training, tmp_path / "run", records, enabled=True)
    for event in events()[:-1]:
        records.append(event)
        screen.epoch(event)
    said = capsys.readouterr().out
    assert said.count("Overfitting: validation was best at epoch 2") == 1
    assert "training.weight_decay" in (tmp_path / "run" / "train.log").read_text()
    # A training that goes on does not say it again, but takes it back.
    screen = Screen(training, tmp_path / "run", records, enabled=True)
    screen.epoch(events()[-2])
    assert "Overfitting" not in capsys.readouterr().out
    screen.epoch(events()[-1])
    assert "No longer overfitting: epoch 16" in capsys.readouterr().out


def test_status_says_it(tmp_path: Path) -> None:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run")
    Records(tmp_path / "run").set_status("completed", overfitting_since=2)
    shown = CliRunner().invoke(cli, ["--lang", "en", "status", str(tmp_path / "run")])
    assert "Overfitting: validation was best at epoch 2" in " ".join(shown.output.split())
    assert status_in(tmp_path / "run")["overfitting_since"] == 2


def test_the_record_of_every_epoch_says_whether(tmp_path: Path) -> None:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run", epochs=2)
    trained(tmp_path / "run")
    found = epochs(tmp_path / "run")
    assert [event["overfitting_since"] for event in found] == [None, None]
