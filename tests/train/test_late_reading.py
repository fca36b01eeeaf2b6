"""Where a loss is read a step later, as on a GPU: the same training, and nothing spoilt is kept."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from srwizard.runs.failures import NonFiniteLossError
from srwizard.runs.records import Records
from srwizard.settings import run_config
from srwizard.train import loop, optimizers, process_environment
from srwizard.train.loop import Callbacks, train
from srwizard.train.setup import Training
from tests.datasets import write_dataset
from tests.train.late_ranks import read_late, spoilt_from
from tests.train.runs import freeze, made_ready, same_weights, trained, weights

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


@pytest.fixture
def late() -> Iterator[None]:
    with read_late():
        yield


def noting(losses: list[float], stop_after: int = 10**6) -> Callbacks:
    """Note every loss; ask for a stop once so many have been seen."""

    def note(_training: Training, loss: float, _samples: int) -> None:
        losses.append(loss)

    return Callbacks(on_step=note, stop_requested=lambda: len(losses) >= stop_after)


def test_the_training_is_the_same(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"epochs": 2, "ema_decay": 0.9, "clip_grad_norm": 0.01}
    losses: dict[str, list[float]] = {"at_once": [], "late": []}
    for name, seen in losses.items():
        freeze(root, tmp_path / name, **settings)
        with monkeypatch.context() as patched:
            patched.setattr(optimizers, "fused", lambda _parameters: True)
            if name == "late":
                with read_late():
                    trained(tmp_path / name, noting(seen))
            else:
                trained(tmp_path / name, noting(seen))
    assert losses["late"] == losses["at_once"]
    assert same_weights(weights(tmp_path / "late"), weights(tmp_path / "at_once"))


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_that_are_fetched_early_are_those_of_the_next_epoch(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    for name in ("as_ever", "early"):
        freeze(root, tmp_path / name, epochs=3, num_workers=workers)
        with monkeypatch.context() as patched:
            if name == "early":
                patched.setattr(loop, "fetches_early", lambda _training: True)
            trained(tmp_path / name)
    assert same_weights(weights(tmp_path / "early"), weights(tmp_path / "as_ever"))


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("stop", [1, 3, 4])
def test_a_stop_is_heard_a_step_later_and_no_loss_is_forgotten(
    root: Path, tmp_path: Path, stop: int
) -> None:
    """Eight samples in batches of two: four steps an epoch."""
    losses: list[float] = []
    freeze(root, tmp_path / "run", epochs=3)
    trained(tmp_path / "run", noting(losses, stop))
    assert len(losses) == stop + (stop % 4 != 0)
    again = made_ready(tmp_path / "run")
    done = again.progress
    assert done.steps == len(losses)
    in_epoch = losses[(done.epoch - 1) * 4 :]
    assert done.samples_in_epoch == 2 * len(in_epoch)
    assert done.loss_sum == pytest.approx(2 * sum(in_epoch))


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("number", [2, 4, 5, 8])
def test_what_is_not_finite_changes_no_weights_and_reaches_no_checkpoint(
    root: Path, tmp_path: Path, number: int
) -> None:
    """In mid-epoch, and in its last step, after which a checkpoint would be written."""
    freeze(root, tmp_path / "run", epochs=3)
    training = made_ready(tmp_path / "run")
    with (
        spoilt_from(number),
        pytest.raises(NonFiniteLossError, match=rf"at step {number} \(epoch {1 + number // 5}\)"),
    ):
        train(training, tmp_path / "run", Records(tmp_path / "run"), Callbacks())
    assert all(part.isfinite().all() for part in training.bare.parameters())
    for name in ("last", "best"):
        kept = tmp_path / "run" / "checkpoints" / f"{name}.pt"
        if kept.exists():
            state = torch.load(kept, weights_only=True)
            assert state["progress"]["steps"] < number
            assert all(part.isfinite().all() for part in state["weights"].values())


@pytest.mark.slow
@pytest.mark.afresh  # a rank that was forked may abort as it exits, over threads of its parent
def test_a_loss_that_one_rank_alone_has_not_stops_both(root: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    freeze(root, run_dir, epochs=3, processes=2, batch_size=1)
    subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *("-m", "tests.train.late_ranks", str(run_dir), "4"),
        ],
        env={
            **os.environ,
            **process_environment.settings(run_config.load(run_dir)),
            "PYTHONPATH": str(REPOSITORY),
        },
        check=True,
        timeout=240,
    )
    found = [json.loads((run_dir / f"found{rank}.json").read_text()) for rank in range(2)]
    assert all("at step 4 (epoch 1)" in one["raised"] for one in found)
    assert all(one["finite"] for one in found)
    assert not (run_dir / "checkpoints" / "last.pt").exists()
