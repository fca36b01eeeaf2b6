"""Checkpoints: whole or not at all, never code, and only for the run that wrote them."""

import os
import resource
from pathlib import Path
from typing import Any

import pytest
import torch

from srwizard.base import files
from srwizard.runs import checkpoint_files
from srwizard.runs.failure_kinds import recognise
from srwizard.runs.records import METRICS_FILE, read_events
from srwizard.train import checkpoint
from srwizard.train.checkpoint import LAST, CheckpointError
from srwizard.train.loop import Callbacks
from srwizard.train.resuming import load_best, resume
from srwizard.train.saving import save
from tests.datasets import write_dataset
from tests.train.runs import (
    freeze,
    made_ready,
    same_weights,
    set_up_only,
    trained,
    weights,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def stop_after_epoch(epoch: int) -> Callbacks:
    """A request to stop that comes in the first step after this epoch."""
    ended: list[int] = []
    return Callbacks(
        on_epoch=lambda event: ended.append(event["epoch"]),
        stop_requested=lambda: epoch in ended,
    )


def test_what_a_killed_save_left_is_removed(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=1)
    trained(tmp_path / "run")
    left = tmp_path / "run" / "checkpoints" / ".last.pt.abc.tmp"
    left.write_bytes(b"half")
    checkpoint_files.remove_unfinished(tmp_path / "run")
    assert not left.exists()


@pytest.mark.broad
def test_ended_before_its_first_checkpoint_a_training_begins_anew(
    root: Path, tmp_path: Path
) -> None:
    """The best weights that are there already say less than the beginning does.

    They are the untrained network, or, of sharded weights, those of the first epoch alone.
    """
    settings: dict[str, Any] = {"skip": "auto", "epochs": 3, "patience": 3, "optimizer": "AdamW"}
    freeze(root, tmp_path / "whole", **settings)
    trained(tmp_path / "whole")
    freeze(root, tmp_path / "start", **settings)
    with pytest.raises(ZeroDivisionError):
        trained(tmp_path / "start", Callbacks(on_step=lambda *_step: 1 // 0))
    freeze(root, tmp_path / "first", **settings)
    trained(tmp_path / "first", stop_after_epoch(1))
    left = tmp_path / "first" / "checkpoints"
    state = torch.load(left / "last.pt", weights_only=True)
    torch.save(state | {"optimizer": {}}, left / "best.pt")
    (left / "last.pt").unlink()
    for name in ("start", "first"):
        assert checkpoint_files.exists(tmp_path / name, "best")
        trained(tmp_path / name)
        whole, again = (
            torch.load(tmp_path / run / "checkpoints" / "last.pt", weights_only=True)
            for run in ("whole", name)
        )
        assert again["progress"] == whole["progress"]
        assert same_weights(again["weights"], whole["weights"])
        assert names_of_events(tmp_path / name) == ["start", "epoch", "epoch", "epoch"]


def names_of_events(run_dir: Path) -> list[str]:
    return [event["event"] for event in read_events(run_dir / METRICS_FILE)]


def test_the_score_of_the_start_stays_on_record(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", skip="auto", epochs=3)
    trained(tmp_path / "run", stop_after_epoch(1))
    trained(tmp_path / "run")
    assert names_of_events(tmp_path / "run") == ["start", "epoch", "epoch", "epoch"]


def test_a_checkpoint_runs_no_code(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=1)
    trained(tmp_path / "run")

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    file = tmp_path / "run" / "checkpoints" / "last.pt"
    torch.load(file, weights_only=True)
    torch.save({"identity": Trap()}, file)
    (tmp_path / "run" / "checkpoints" / "best.pt").unlink()
    with pytest.raises(CheckpointError, match="damaged"):
        made_ready(tmp_path / "run")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("kept", [0, 10, 1000, -100])
def test_a_damaged_checkpoint_falls_back_to_the_other(
    root: Path, tmp_path: Path, kept: int
) -> None:
    for name in ("whole", "damaged"):
        freeze(root, tmp_path / name, epochs=3)
    trained(tmp_path / "whole")
    trained(tmp_path / "damaged", stop_after_epoch(2))
    file = tmp_path / "damaged" / "checkpoints" / "last.pt"
    file.write_bytes(file.read_bytes()[:kept])
    loaded = resume(set_up_only(tmp_path / "damaged"), tmp_path / "damaged")
    assert loaded is not None
    assert loaded.name == "best"
    assert "last.pt is damaged; best.pt is used instead" in loaded.notices[0]
    trained(tmp_path / "damaged")
    assert same_weights(weights(tmp_path / "damaged"), weights(tmp_path / "whole"))


def test_two_damaged_checkpoints_are_refused(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=1)
    trained(tmp_path / "run")
    for name in ("last", "best"):
        (tmp_path / "run" / "checkpoints" / f"{name}.pt").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match=r"last\.pt is damaged"):
        made_ready(tmp_path / "run")


def test_a_damaged_best_checkpoint_leaves_the_last_to_be_scored(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=1)
    training = trained(tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "best.pt").write_bytes(b"no checkpoint")
    loaded = load_best(training, tmp_path / "run")
    assert loaded is not None
    assert loaded.name == "last"
    assert "best.pt is damaged" in loaded.notices[0]


def test_another_optimizer_begins_without_moments(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=1)
    trained(tmp_path / "run")
    freeze(root, tmp_path / "run", epochs=2, optimizer="SGD")
    loaded = resume(set_up_only(tmp_path / "run"), tmp_path / "run")
    assert loaded is not None
    assert "another optimizer; SGD starts" in loaded.notices[0]
    assert trained(tmp_path / "run").progress.epoch == 3


def test_a_checkpoint_of_another_run_is_refused(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=1)
    trained(tmp_path / "run")
    freeze(root, tmp_path / "run", epochs=1, params={"num_blocks": 2})
    with pytest.raises(CheckpointError, match="of another run; what differs: model"):
        made_ready(tmp_path / "run")
    freeze(root, tmp_path / "run", epochs=1, seed=7)
    with pytest.raises(CheckpointError, match=r"what differs: training\.seed"):
        made_ready(tmp_path / "run")


def test_no_room_keeps_the_earlier_checkpoint(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=1)
    training = trained(tmp_path / "run")
    before = (tmp_path / "run" / "checkpoints" / "last.pt").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(OSError, match="too large") as raised:
            save(training, tmp_path / "run", LAST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert recognise(f"OSError: {raised.value}").name == "file_too_large"
    directory = tmp_path / "run" / "checkpoints"
    assert (directory / "last.pt").read_bytes() == before
    assert sorted(path.name for path in directory.iterdir()) == ["best.pt", "last.pt"]


def test_a_full_disk_is_called_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_to_full_device(_path: Path, write_to: object) -> None:
        with Path("/dev/full").open("wb") as stream:
            write_to(stream)  # type: ignore[operator]

    monkeypatch.setattr(files, "write_with", write_to_full_device)
    with pytest.raises(OSError, match="No space left on device"):
        checkpoint.save(tmp_path, LAST, {"weights": torch.zeros(100_000)})
