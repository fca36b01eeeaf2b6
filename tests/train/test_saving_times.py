"""When checkpoints are written, and what a training loses that is cut off between."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from srwizard.train import checkpoint, loop
from srwizard.train.loop import Callbacks
from srwizard.train.resuming import resume
from tests.datasets import write_dataset
from tests.train.runs import epochs, freeze, same_weights, set_up_only, trained, weights


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is written of checkpoints, "=NAME" where it is the file of another one."""
    noted: list[str] = []
    save, save_same = checkpoint.save, checkpoint.save_same

    def note(run_dir: Path, name: str, state: dict[str, Any]) -> None:
        noted.append(name)
        save(run_dir, name, state)

    def note_same(run_dir: Path, name: str, other: str) -> None:
        noted.append(f"={name}")
        save_same(run_dir, name, other)

    monkeypatch.setattr(checkpoint, "save", note)
    monkeypatch.setattr(checkpoint, "save_same", note_same)
    return noted


def errors(monkeypatch: pytest.MonkeyPatch, *found: float) -> None:
    """Let the validations find these."""
    left: Iterator[float] = iter(found)
    monkeypatch.setattr("srwizard.train.scoring.Score.error", lambda _score, _span: next(left))


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let every look at the clock of the loop come so much later than the one before."""
    now = [0.0]

    def monotonic() -> float:
        now[0] += seconds
        return now[0]

    monkeypatch.setattr(loop.time, "monotonic", monotonic)


def checkpoint_file(run_dir: Path, name: str) -> Path:
    return run_dir / "checkpoints" / f"{name}.pt"


def test_short_epochs_are_not_all_written(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: list[str]
) -> None:
    """The first one, so that there is something to go on from, and the end."""
    freeze(root, tmp_path / "run", epochs=6)
    errors(monkeypatch, *[float("nan")] * 6)
    training = trained(tmp_path / "run")
    assert written == ["last", "last"]
    state = torch.load(checkpoint_file(tmp_path / "run", "last"), weights_only=True)
    assert state["progress"]["steps"] == training.progress.steps == 24
    assert len(epochs(tmp_path / "run")) == 6


def test_epochs_that_take_longer_are(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: list[str]
) -> None:
    freeze(root, tmp_path / "run", epochs=4)
    errors(monkeypatch, *[float("nan")] * 4)
    later(monkeypatch, loop.LAST_EVERY_SECONDS + 1)
    trained(tmp_path / "run")
    assert written == ["last"] * 4


def test_a_better_one_is_written_once_under_both_names(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: list[str]
) -> None:
    freeze(root, tmp_path / "run", epochs=5)
    errors(monkeypatch, 5.0, 4.0, 4.5, 4.5, 4.5)
    seen: list[tuple[int, bool]] = []

    def look(event: dict[str, Any]) -> None:
        last, best = (checkpoint_file(tmp_path / "run", name) for name in ("last", "best"))
        seen.append((event["epoch"], last.samefile(best)))

    trained(tmp_path / "run", Callbacks(on_epoch=look))
    assert written == ["best", "=last", "best", "=last", "last"]
    assert seen == [(1, True), (2, True), (3, True), (4, True), (5, False)]
    best = torch.load(checkpoint_file(tmp_path / "run", "best"), weights_only=True)
    assert best["progress"]["epoch"] == 3
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == [
        "best.pt", "last.pt",
    ]  # fmt: skip


def test_what_a_training_has_come_to_lies_there_twice(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: list[str]
) -> None:
    freeze(root, tmp_path / "run", epochs=2)
    errors(monkeypatch, 5.0, 4.0)
    trained(tmp_path / "run")
    assert written == ["best", "=last", "best", "last"]
    last, best = (checkpoint_file(tmp_path / "run", name) for name in ("last", "best"))
    assert not last.samefile(best)


def test_early_stopping_is_an_end(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: list[str]
) -> None:
    freeze(root, tmp_path / "run", epochs=9, patience=2)
    errors(monkeypatch, 5.0, 6.0, 6.0)
    trained(tmp_path / "run")
    assert written == ["best", "=last", "last"]


def test_a_file_system_without_links_has_a_copy(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_paths: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    freeze(root, tmp_path / "run", epochs=2)
    errors(monkeypatch, 5.0, 6.0)
    same: list[bool] = []

    def look(_event: dict[str, Any]) -> None:
        last, best = (checkpoint_file(tmp_path / "run", name) for name in ("last", "best"))
        same.append(last.read_bytes() == best.read_bytes() and not last.samefile(best))

    trained(tmp_path / "run", Callbacks(on_epoch=look))
    assert same == [True, False]


class CutOffError(Exception):
    """The training ends here, as if it had been killed."""


def cut_off_after(epoch: int) -> Callbacks:
    def end(event: dict[str, Any]) -> None:
        if event["epoch"] == epoch:
            raise CutOffError

    return Callbacks(on_epoch=end)


@pytest.mark.parametrize("found", [[5.0, 6.0, 6.0, 3.0, 4.0, 2.0], [5.0, 6.0, 6.0, 6.0, 6.0, 6.0]])
def test_what_is_lost_is_trained_again_to_the_bit(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[float]
) -> None:
    """Also the learning rate that waits for a plateau, the patience and the best of all."""
    settings = {"epochs": 6, "scheduler": "plateau", "plateau_patience": 2, "patience": 5}
    for name in ("whole", "parts"):
        freeze(root, tmp_path / name, **settings)
    errors(monkeypatch, *found)
    whole = trained(tmp_path / "whole")
    errors(monkeypatch, *found)
    with pytest.raises(CutOffError):
        trained(tmp_path / "parts", cut_off_after(3))
    again = set_up_only(tmp_path / "parts")
    resume(again, tmp_path / "parts")
    assert again.progress.epoch == 2  # two epochs of less than thirty seconds are lost
    errors(monkeypatch, *found[1:])
    parts = trained(tmp_path / "parts")
    assert parts.progress == whole.progress
    for name in ("last", "best"):
        assert same_weights(weights(tmp_path / "parts", name), weights(tmp_path / "whole", name))
    assert [event["epoch"] for event in epochs(tmp_path / "parts")] == list(range(1, 7))
    assert [event["lr"] for event in epochs(tmp_path / "parts")] == [
        event["lr"] for event in epochs(tmp_path / "whole")
    ]
