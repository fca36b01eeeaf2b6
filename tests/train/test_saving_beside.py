"""Checkpoints that are written while training goes on, as on a GPU; here by a thread on the CPU."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from srwizard.train import checkpoint, saving, saving_beside
from srwizard.train.loop import Callbacks
from srwizard.train.saving import finish_saving, save
from tests.datasets import write_dataset
from tests.train.runs import freeze, made_ready, same_weights, set_up_only, trained, weights


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


class Disk:
    """Holds the writer back until it may go on; or refuses to write."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.error: OSError | None = None
        self.threads: list[threading.Thread] = []
        self._save = checkpoint.save

    def save(self, run_dir: Path, name: str, state: dict[str, Any]) -> None:
        self.threads.append(threading.current_thread())
        assert self.free.wait(30)
        if self.error is not None:
            raise self.error
        self._save(run_dir, name, state)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Write beside the training, with a copy as a GPU would make it."""

    def copied(state: Any, _device: torch.device) -> Any:
        return tree_map_only(Tensor, torch.clone, state), lambda: None

    made = Disk()
    monkeypatch.setattr(saving, "saves_beside", lambda _training: True)
    monkeypatch.setattr(saving_beside, "copied_to_host", copied)
    monkeypatch.setattr(checkpoint, "save", made.save)
    yield made
    made.free.set()


def test_the_training_is_the_same(root: Path, tmp_path: Path, disk: Disk) -> None:
    for name in ("beside", "as_ever"):
        freeze(root, tmp_path / name, epochs=3, ema_decay=0.9)
    trained(tmp_path / "beside")
    assert all(thread is not threading.main_thread() for thread in disk.threads)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(saving, "saves_beside", lambda _training: False)
        trained(tmp_path / "as_ever")
    for name in ("last", "best"):
        found = weights(tmp_path / "beside", name), weights(tmp_path / "as_ever", name)
        assert same_weights(*found)
    assert made_ready(tmp_path / "beside").progress == made_ready(tmp_path / "as_ever").progress


def test_what_is_written_is_what_was_there_when_it_was_asked_for(
    root: Path, tmp_path: Path, disk: Disk
) -> None:
    run_dir = tmp_path / "run"
    freeze(root, run_dir, epochs=1)
    training = set_up_only(run_dir)
    before = {name: part.clone() for name, part in training.bare.state_dict().items()}
    disk.free.clear()
    save(training, run_dir, "best", "last")
    with torch.no_grad():
        for part in training.bare.parameters():
            part.fill_(7.0)
    assert not (run_dir / "checkpoints").exists()
    disk.free.set()
    finish_saving(training)
    assert training.saving is None
    assert same_weights(weights(run_dir, "last"), before)
    assert same_weights(weights(run_dir, "best"), before)


def test_one_is_written_at_a_time(root: Path, tmp_path: Path, disk: Disk) -> None:
    freeze(root, tmp_path / "run", epochs=1)
    training = set_up_only(tmp_path / "run")
    for steps in (1, 2, 3):
        training.progress.steps = steps
        save(training, tmp_path / "run", "last")
    finish_saving(training)
    assert made_ready(tmp_path / "run").progress.steps == 3


def test_a_full_disk_is_told_by_the_next_one_or_at_the_end(
    root: Path, tmp_path: Path, disk: Disk
) -> None:
    freeze(root, tmp_path / "run", epochs=2)
    disk.error = OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space left on device"):
        trained(tmp_path / "run")
    assert len(disk.threads) == 1
    assert not (tmp_path / "run" / "checkpoints" / "last.pt").exists()


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: unknown error"), OSError("gone")])
def test_a_failure_lets_the_file_be_written_that_was_begun(
    root: Path, tmp_path: Path, disk: Disk, error: Exception
) -> None:
    freeze(root, tmp_path / "run", epochs=2)
    disk.free.clear()

    def fail(_event: dict[str, Any]) -> None:
        threading.Timer(0.3, disk.free.set).start()
        raise error

    with pytest.raises(type(error), match=str(error)):
        trained(tmp_path / "run", Callbacks(on_epoch=fail))
    assert made_ready(tmp_path / "run").progress.epoch == 2


def test_a_stop_waits_for_its_checkpoint(root: Path, tmp_path: Path, disk: Disk) -> None:
    freeze(root, tmp_path / "run", epochs=2)
    trained(tmp_path / "run", Callbacks(stop_requested=lambda: True))
    assert made_ready(tmp_path / "run").progress.steps == 1


def test_what_is_in_main_memory_already_is_copied_too() -> None:
    counted = torch.tensor(3.0)
    found = saving_beside._on_its_way(counted)
    counted += 1
    assert found == 3
