"""Training repeats bit for bit, and goes on where it was, whatever ended it."""

import json
import math
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch.utils.data._utils import signal_handling

from srwizard.base.errors import EXIT_INTERRUPTED
from srwizard.data.samples import Key
from srwizard.runs.failures import NonFiniteLossError
from srwizard.runs.progress import Progress, note_validation
from srwizard.runs.records import Records
from srwizard.settings.run_config import RunConfig, load, seal, write
from srwizard.train import checkpoint
from srwizard.train.checkpoint import LAST
from srwizard.train.loaders import STOP_SIGNALS
from srwizard.train.loop import Callbacks
from srwizard.train.resuming import load_best
from srwizard.train.setup import Training
from tests.datasets import write_dataset
from tests.train.runs import (
    epochs,
    freeze,
    made_ready,
    output,
    running,
    same_weights,
    set_up_only,
    trained,
    wait_for_epoch,
    weights,
    worker_command,
)

LONGER: dict[str, Any] = {"batch_size": 1, "epochs": 5, "step_size": 2}
"""Sixty steps an epoch, some tenths of a second: time enough to meet one in the middle."""
KILLS = 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def stop_after(steps: int) -> Callbacks:
    """A request to stop that comes after so many optimizer steps."""
    seen = 0

    def count(_training: Training, _loss: float, _samples: int) -> None:
        nonlocal seen
        seen += 1

    return Callbacks(on_step=count, stop_requested=lambda: seen >= steps)


def without_times(run_dir: Path) -> list[dict[str, object]]:
    timed = ("seconds", "samples_per_second", "peak_memory_bytes")
    return [{k: v for k, v in event.items() if k not in timed} for event in epochs(run_dir)]


@pytest.mark.parametrize("patch_size", [None, 8])
@pytest.mark.parametrize("use_amp", [False, True])
def test_the_same_seed_gives_the_same_weights(
    root: Path, tmp_path: Path, patch_size: int | None, use_amp: bool
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        freeze(root, tmp_path / name, patch_size=patch_size, use_amp=use_amp, seed=seed)
        trained(tmp_path / name)
    assert same_weights(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same_weights(weights(tmp_path / "a"), weights(tmp_path / "c"))
    assert without_times(tmp_path / "a") == without_times(tmp_path / "b")


@pytest.mark.parametrize("steps", [1, 3, 4, 5])
def test_a_stop_in_mid_epoch_changes_nothing(root: Path, tmp_path: Path, steps: int) -> None:
    freeze(root, tmp_path / "whole", step_size=1)
    trained(tmp_path / "whole")
    freeze(root, tmp_path / "parts", step_size=1)
    first = trained(tmp_path / "parts", stop_after(steps))
    assert first.progress.steps == steps
    trained(tmp_path / "parts")
    assert same_weights(weights(tmp_path / "parts"), weights(tmp_path / "whole"))
    assert without_times(tmp_path / "parts") == without_times(tmp_path / "whole")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of many steps by a real worker process; its dataset lies beside it."""
    base = tmp_path_factory.mktemp("uninterrupted")
    write_dataset(base / "data", steps=(60, 2, 2))
    freeze(base / "data", base / "run", **LONGER)
    with running(worker_command(base / "run"), base / "run") as worker:
        assert worker.wait(60) == 0, output(base / "run")
    return base / "run"


def assert_same(run_dir: Path, uninterrupted: Path) -> None:
    """Finish `run_dir`; it must not differ from what was never interrupted."""
    with running(worker_command(run_dir), run_dir) as worker:
        assert worker.wait(60) == 0, output(run_dir)
    assert same_weights(weights(run_dir), weights(uninterrupted))
    assert same_weights(weights(run_dir, "best"), weights(uninterrupted, "best"))
    assert [event["epoch"] for event in epochs(run_dir)] == list(range(1, LONGER["epochs"] + 1))
    assert without_times(run_dir) == without_times(uninterrupted)
    names = sorted(path.name for path in (run_dir / "checkpoints").iterdir())
    assert names == ["best.pt", "last.pt"]


@pytest.mark.broad
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_training_goes_on(
    tmp_path: Path, uninterrupted: Path, number: signal.Signals
) -> None:
    freeze(uninterrupted.with_name("data"), tmp_path, **LONGER)
    with running(worker_command(tmp_path), tmp_path) as worker:
        wait_for_epoch(tmp_path, 1, worker)
        time.sleep(0.05)
        worker.send_signal(number)
        assert worker.wait(30) == EXIT_INTERRUPTED, output(tmp_path)
    state = checkpoint.load(tmp_path, LAST, load(tmp_path))
    assert state is not None
    assert 0 < state["progress"]["samples_in_epoch"] < 60  # in mid-epoch
    assert_same(tmp_path, uninterrupted)


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path, uninterrupted: Path) -> None:
    freeze(uninterrupted.with_name("data"), tmp_path, **LONGER)
    random = np.random.default_rng(0)
    # Later epochs are not reached again and again: a kill in each, and several within it.
    for epoch in sorted(int(number) for number in random.integers(0, LONGER["epochs"], KILLS)):
        with running(worker_command(tmp_path), tmp_path) as worker:
            wait_for_epoch(tmp_path, epoch, worker)
            time.sleep(random.uniform(0, 0.4))
            worker.kill()
            worker.wait(30)
    assert_same(tmp_path, uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "number"),
    [("write", 3), ("write", 4), ("fsync", 3), ("fsync", 8), ("replace", 3), ("replace", 8),
     ("link", 1), ("link", 2)],
)  # fmt: skip
def test_killed_while_it_writes(
    tmp_path: Path, uninterrupted: Path, call: str, number: int
) -> None:
    freeze(uninterrupted.with_name("data"), tmp_path, **LONGER)
    killed = [sys.executable, "-m", "tests.train.killing_itself", call, str(number), str(tmp_path)]
    with running(killed, tmp_path) as worker:
        assert worker.wait(60) == -signal.SIGKILL, output(tmp_path)
    assert len(epochs(tmp_path)) < LONGER["epochs"]
    assert_same(tmp_path, uninterrupted)


def test_epochs_go_on_record(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=5, eval_freq=2)
    trained(tmp_path / "run")
    events = epochs(tmp_path / "run")
    assert [event["epoch"] for event in events] == [1, 2, 3, 4, 5]
    assert [event["step"] for event in events] == [4, 8, 12, 16, 20]
    # Every second epoch, and the last one.
    assert [event["valid"] is not None for event in events] == [False, True, False, True, True]
    scores = events[-1]["valid"]["variables"]["temp"]
    metrics = ["rmse", "mae", "bias", "psnr", "ssim", "correlation", "spectrum_error"]
    assert list(scores["model"]) == list(scores["bicubic"]) == metrics
    assert scores["skill"] == pytest.approx(1 - scores["model"]["rmse"] / scores["bicubic"]["rmse"])


def test_learning_rate_steps_and_resumes(root: Path, tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        freeze(root, tmp_path / name, epochs=5, step_size=2, gamma=0.5, lr=0.01)
    trained(tmp_path / "whole")
    trained(tmp_path / "parts", stop_after(10))  # in the third of four steps an epoch
    trained(tmp_path / "parts")
    wanted = [0.01, 0.01, 0.005, 0.005, 0.0025]
    assert [event["lr"] for event in epochs(tmp_path / "whole")] == wanted
    assert [event["lr"] for event in epochs(tmp_path / "parts")] == wanted


def refrozen(run_dir: Path, **training: object) -> RunConfig:
    run = load(run_dir)
    changed = run.training.model_copy(update=training)
    write(seal(run.model_copy(update={"training": changed})), run_dir)
    return load(run_dir)


def test_a_learning_rate_changed_between_two_parts_counts(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=3, lr=0.01)
    trained(tmp_path / "run", stop_after(5))
    refrozen(tmp_path / "run", lr=0.001)
    trained(tmp_path / "run")
    assert [event["lr"] for event in epochs(tmp_path / "run")] == [0.01, 0.001, 0.001]


def test_a_batch_size_changed_in_mid_epoch_loses_no_sample(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=1, batch_size=3)
    trained(tmp_path / "run", stop_after(1))
    refrozen(tmp_path / "run", batch_size=1)
    training = made_ready(tmp_path / "run")
    assert training.progress.samples_in_epoch == 3
    trained(tmp_path / "run")
    assert epochs(tmp_path / "run")[0]["step"] == 1 + 5


def test_early_stopping(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze(root, tmp_path / "run", epochs=50, patience=3)
    errors = iter([5.0, 4.0, 4.5, 4.0, 4.1, 1.0])
    monkeypatch.setattr("srwizard.train.scoring.Score.error", lambda _score, _span: next(errors))
    training = trained(tmp_path / "run")
    assert len(epochs(tmp_path / "run")) == 5
    assert training.progress.best_epoch == 2
    # Run again, it is still over.
    trained(tmp_path / "run")
    assert len(epochs(tmp_path / "run")) == 5


def test_loaders_of_a_validation_end_with_it(root: Path, tmp_path: Path) -> None:
    """Those of the training split live on: in each epoch they would have to begin anew."""
    freeze(root, tmp_path / "run", num_workers=1)
    training = set_up_only(tmp_path / "run")
    living = {}
    for split in ("train", "valid"):
        keys: list[tuple[Key, ...]] = [(Key(0),)]
        assert len(list(training.batches(split, keys))) == 1
        living[split] = len(psutil.Process().children())
    assert living["valid"] == living["train"] >= 1


@pytest.mark.parametrize("number", STOP_SIGNALS, ids=lambda number: number.name)
def test_a_request_to_stop_meets_a_loader_that_starts(
    number: signal.Signals, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchrun asks whole process groups; a loader that ended would pass for the failure."""
    set_handlers = signal_handling._set_worker_signal_handlers

    def asked_to_stop() -> None:
        set_handlers()
        os.kill(os.getpid(), number)

    monkeypatch.setattr(signal_handling, "_set_worker_signal_handlers", asked_to_stop)
    freeze(root, tmp_path / "run", num_workers=1)
    training = set_up_only(tmp_path / "run")
    assert len(list(training.batches("valid", [(Key(0),), (Key(1),)]))) == 2
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(STOP_SIGNALS)


def test_last_and_best(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze(root, tmp_path / "run", epochs=3)
    errors = iter([5.0, 4.0, 4.5])
    monkeypatch.setattr("srwizard.train.scoring.Score.error", lambda _score, _span: next(errors))
    training = trained(tmp_path / "run")
    last, best = (weights(tmp_path / "run", name) for name in ("last", "best"))
    assert not same_weights(last, best)
    freeze(root, tmp_path / "two", epochs=2)
    errors = iter([5.0, 4.0])
    trained(tmp_path / "two")
    assert same_weights(best, weights(tmp_path / "two"))
    assert load_best(training, tmp_path / "run").name == "best"
    assert same_weights(dict(training.bare.state_dict()), best)


def test_without_a_measure_nothing_is_best() -> None:
    progress = Progress()
    assert not note_validation(progress, math.nan)
    assert note_validation(progress, 2.0)
    assert not note_validation(progress, 3.0)
    assert not note_validation(progress, math.nan)
    # There was nothing to measure: patience is not used up.
    assert (progress.best_error, progress.validations_without_better) == (2.0, 1)


@pytest.mark.parametrize("epoch_of_nan", [1, 2])
def test_weights_that_are_spoilt_are_not_saved(
    root: Path, tmp_path: Path, epoch_of_nan: int
) -> None:
    freeze(root, tmp_path / "run", epochs=2)

    def spoil(training: Training, _loss: float, _samples: int) -> None:
        if training.progress.steps == 4 * epoch_of_nan:  # after the last step of the epoch
            with torch.no_grad():
                next(training.bare.parameters()).fill_(math.nan)

    with pytest.raises(NonFiniteLossError):
        trained(tmp_path / "run", replace(Callbacks(), on_step=spoil))
    if epoch_of_nan == 1:
        assert not (tmp_path / "run" / "checkpoints").exists()
    else:
        assert all(value.isfinite().all() for value in weights(tmp_path / "run").values())


def spoiling(after: int, *, stop: bool = False) -> Callbacks:
    """Make a weight NaN behind so many steps, and ask for a stop there."""

    def spoil(training: Training, _loss: float, _samples: int) -> None:
        if training.progress.steps == after:
            with torch.no_grad():
                next(training.bare.parameters()).view(-1)[0] = math.nan

    steps = stop_after(after)

    def on_step(training: Training, loss: float, samples: int) -> None:
        spoil(training, loss, samples)
        steps.on_step(training, loss, samples)

    return Callbacks(
        on_step=on_step, stop_requested=steps.stop_requested if stop else lambda: False
    )


def test_spoilt_weights_without_a_validation_are_not_saved(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=4, eval_freq=4)
    with pytest.raises(
        NonFiniteLossError, match=r"a weight is nan after step 4 \(epoch 1\); .* layer \S+"
    ):
        trained(tmp_path / "run", spoiling(after=4))  # the first epoch's checkpoint is due
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_spoilt_weights_are_not_saved_for_a_stop_either(root: Path, tmp_path: Path) -> None:
    freeze(root, tmp_path / "run", epochs=4)
    with pytest.raises(NonFiniteLossError, match="a weight is nan after step 6"):
        trained(tmp_path / "run", spoiling(after=6, stop=True))
    assert all(value.isfinite().all() for value in weights(tmp_path / "run").values())
    assert trained(tmp_path / "run").progress.epoch == 5  # it goes on from the first epoch


def stop_in_validation(number: int, batch: int) -> Callbacks:
    """A request to stop that comes before the batch of the validation of this number, from 0 on."""
    validations, looks = -1, 0

    def on_phase(_training: Training, phase: str) -> None:
        nonlocal validations, looks
        validations, looks = validations + (phase == "validation"), 0

    def asked() -> bool:
        nonlocal looks
        looks += 1
        return validations == number and looks > batch

    return Callbacks(on_phase=on_phase, stop_requested=asked)


@pytest.mark.parametrize(("number", "batch"), [(0, 0), (1, 1), (2, 0)])
def test_a_stop_in_a_validation_waits_for_one_batch_and_changes_nothing(
    tmp_path: Path, number: int, batch: int
) -> None:
    root = write_dataset(tmp_path / "data", steps=(4, 3, 1))
    for name in ("whole", "parts"):
        freeze(root, tmp_path / name, epochs=3, batch_size=1, scheduler="cosine")
    trained(tmp_path / "whole")
    stopped = trained(tmp_path / "parts", stop_in_validation(number, batch))
    assert stopped.progress.samples_in_epoch == 4
    assert stopped.progress.epoch == number + 1
    assert stopped.progress.seconds_in_epoch > 0
    assert len(epochs(tmp_path / "parts")) == number
    trained(tmp_path / "parts")
    for name in ("last", "best"):
        assert same_weights(weights(tmp_path / "parts", name), weights(tmp_path / "whole", name))
    # The time of the epoch is that of both parts.
    assert epochs(tmp_path / "parts")[number]["seconds"] > stopped.progress.seconds_in_epoch
    assert without_times(tmp_path / "parts") == without_times(tmp_path / "whole")


def test_a_stop_before_the_first_step_leaves_nothing(root: Path, tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        freeze(root, tmp_path / name, skip="bicubic")
    trained(tmp_path / "whole")
    assert trained(tmp_path / "parts", stop_in_validation(0, 0)).progress.steps == 0
    assert not (tmp_path / "parts" / "checkpoints").exists()
    trained(tmp_path / "parts")
    assert same_weights(weights(tmp_path / "parts"), weights(tmp_path / "whole"))


def test_metrics_are_strict_json(tmp_path: Path) -> None:
    Records(tmp_path).append({"event": "test", "psnr": math.inf, "loss": {"a": math.nan}})

    def refuse(name: str) -> None:
        raise AssertionError(name)

    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line, parse_constant=refuse) == {
        "event": "test",
        "psnr": None,
        "loss": {"a": None},
    }
