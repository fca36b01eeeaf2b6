"""Trainings as a user starts them: real processes, alone and under torchrun."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
import psutil
import pytest
import torch

from srwizard.base.errors import (
    EXIT_INTERRUPTED,
    EXIT_TRAINING,
    InterruptedByUserError,
    TrainingFailedError,
    UsageError,
)
from srwizard.runs import failures
from srwizard.runs.last_phase import LastPhase
from srwizard.runs.records import Records
from srwizard.train import launch as launching
from srwizard.train.launch import launch
from tests.datasets import write_dataset
from tests.train.runs import (
    PATIENCE_SECONDS,
    epochs,
    failure,
    freeze,
    output,
    running,
    same_weights,
    train_command,
    wait_for_epoch,
    weights,
    worker_command,
    workers_of,
)

UNEVEN = (7, 3, 5)
LONG = 100_000
SOON_SECONDS = 60.0


def state(run_dir: Path) -> str:
    found: str = json.loads((run_dir / "status.json").read_text())["state"]
    return found


def has_started(run_dir: Path) -> bool:
    log = run_dir / "train.log"
    return log.exists() and "started" in log.read_text()


def curves(run_dir: Path) -> list[list[float]]:
    """Training loss, validation loss, and validation metrics beside bicubic, of every epoch."""
    found = []
    for event in epochs(run_dir):
        scores = event["valid"]["variables"]["temp"]
        measured = [*scores["model"].values(), *scores["bicubic"].values()]
        found.append([event["train_loss"], event["valid"]["loss"], *measured])
    return found


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Seven samples in global batches of four: neither steps nor splits can be shared evenly."""
    root = write_dataset(tmp_path / "data", steps=UNEVEN)
    shared: dict[str, Any] = {"epochs": 3, "lr": 0.003}
    freeze(root, tmp_path / "one", batch_size=4, **shared)
    freeze(root, tmp_path / "two", batch_size=2, processes=2, **shared)
    freeze(
        root, tmp_path / "accumulating", batch_size=1, grad_accumulation=2, processes=2, **shared
    )
    alone = launch(tmp_path / "one")
    one = torch.tensor(curves(tmp_path / "one"))
    assert one[-1, 0] < 0.99 * one[0, 0]  # it has learnt; else all of this would hold of nothing
    for name in ("two", "accumulating"):
        together = launch(tmp_path / name)
        torch.testing.assert_close(torch.tensor(curves(tmp_path / name)), one, rtol=1e-4, atol=1e-5)
        assert together["temp"]["model"] == pytest.approx(alone["temp"]["model"], rel=1e-4)
        assert together["temp"]["bicubic"] == pytest.approx(alone["temp"]["bicubic"], rel=1e-5)


def test_a_complete_training(tmp_path: Path) -> None:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run")
    scores = launch(tmp_path / "run")
    assert scores["temp"]["model"]["rmse"] > 0
    assert state(tmp_path / "run") == "completed"
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {"run.yaml", "metrics.jsonl", "train.log", "checkpoints"}
    assert "failure.json" not in names
    assert json.loads((tmp_path / "run" / "status.json").read_text())["pid"] == os.getpid()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "number", "to"),
    [
        (1, signal.SIGUSR1, "the command"),
        (2, signal.SIGINT, "its group"),  # as a terminal does
        (2, signal.SIGTERM, "the command"),
        (2, signal.SIGUSR1, "all"),  # as Slurm does
    ],
)
def test_a_request_to_stop_saves_first(
    tmp_path: Path, processes: int, number: signal.Signals, to: str
) -> None:
    root = write_dataset(tmp_path / "data", steps=(40, 2, 2))
    run_dir = tmp_path / "run"
    freeze(root, run_dir, processes=processes, batch_size=1, epochs=LONG)
    with running(train_command(run_dir), run_dir) as command:
        wait_for_epoch(run_dir, 1, command)
        started = workers_of(command)
        assert len(started) == processes
        if to == "all":
            for process in psutil.Process(command.pid).children(recursive=True):
                process.send_signal(number)
        (os.killpg if to == "its group" else os.kill)(command.pid, number)
        assert command.wait(SOON_SECONDS) == EXIT_INTERRUPTED, output(run_dir)
        assert not any(worker.is_running() for worker in started)
    assert "the checkpoint is saved" in output(run_dir)
    assert state(run_dir) == "stopped"
    assert not (run_dir / "failure.json").exists()
    log = (run_dir / "train.log").read_text()
    assert "stopped on request" in log and "ChildFailedError" not in log
    progress = torch.load(run_dir / "checkpoints" / "last.pt", weights_only=True)["progress"]
    assert progress["steps"] >= epochs(run_dir)[-1]["step"]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_second_ctrl_c_waits_for_no_step(tmp_path: Path, processes: int) -> None:
    """A step takes half a minute: whoever presses Ctrl-C twice is back at once."""
    root = write_dataset(tmp_path / "data", hr_shape=(384, 384), steps=(4, 1, 1))
    run_dir = tmp_path / "run"
    freeze(root, run_dir, processes=processes, params={"num_features": 64, "num_blocks": 32})
    with running(train_command(run_dir), run_dir) as command:
        until = time.monotonic() + PATIENCE_SECONDS
        while not has_started(run_dir):
            assert command.poll() is None and time.monotonic() < until, output(run_dir)
            time.sleep(0.05)
        started = workers_of(command)
        command.send_signal(signal.SIGINT)
        time.sleep(1.0)
        assert command.poll() is None  # the step is not done
        command.send_signal(signal.SIGINT)
        assert command.wait(SOON_SECONDS) == EXIT_INTERRUPTED, output(run_dir)
        _gone, alive = psutil.wait_procs(started, SOON_SECONDS)
        assert not alive
    assert state(run_dir) == "stopped"
    assert not (run_dir / "checkpoints" / "last.pt").exists()
    assert "stopped before its first step" in output(run_dir)


def test_a_stop_behind_the_last_epoch_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status is written from time to time: it may still tell of what came before."""
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir)

    def stopped_in_the_test(
        *_arguments: object, begin: Callable[[], None], **_named: object
    ) -> tuple[failures.Ended, list[object]]:
        begin()
        Records(run_dir).set_status("running", phase="checkpoint")
        (run_dir / "checkpoints").mkdir()
        (run_dir / "checkpoints" / "last.pt").touch()
        LastPhase(run_dir, 0).note("test", 4, 2)
        return failures.Ended(EXIT_INTERRUPTED, stop_asked=True), []

    monkeypatch.setattr(launching.launch_on_nodes, "start", stopped_in_the_test)
    with pytest.raises(InterruptedByUserError, match="complete and saved"):
        launch(run_dir)
    assert json.loads((run_dir / "status.json").read_text())["phase"] == "test"


@pytest.mark.slow
@pytest.mark.afresh
def test_ctrl_c_while_a_process_is_loading_leaves_no_traceback(tmp_path: Path) -> None:
    freeze(write_dataset(tmp_path / "data"), tmp_path / "run", epochs=10**6)
    run_dir = tmp_path / "run"
    with running(train_command(run_dir), run_dir) as command:
        until = time.monotonic() + PATIENCE_SECONDS
        while not workers_of(command):
            assert command.poll() is None and time.monotonic() < until, output(run_dir)
            time.sleep(0.05)
        time.sleep(0.3)
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(SOON_SECONDS) == EXIT_INTERRUPTED, output(run_dir)
    assert "stopped before its first step" in output(run_dir)
    assert "Traceback" not in (run_dir / "train.log").read_text() + output(run_dir)
    assert state(run_dir) == "stopped"


def press_ctrl_c(*_: object) -> None:
    """Press it once the launch listens: before, it would end the tests, as it ends any program."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.broad
@pytest.mark.afresh
@pytest.mark.parametrize(("processes", "delay"), [(1, 0.2), (1, 0.8), (2, 0.5), (2, 1.5)])
def test_ctrl_c_while_the_workers_start(tmp_path: Path, processes: int, delay: float) -> None:
    """Before the workers are there, or while they still import what they need."""
    root = write_dataset(tmp_path / "data")
    freeze(root, tmp_path / "run", processes=processes, epochs=LONG)
    earlier = signal.signal(signal.SIGALRM, press_ctrl_c)
    signal.setitimer(signal.ITIMER_REAL, delay)
    try:
        with pytest.raises(InterruptedByUserError, match="training was stopped"):
            launch(tmp_path / "run")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert state(tmp_path / "run") == "stopped"


@pytest.mark.slow
def test_a_killed_launcher_leaves_nobody_behind(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", steps=(40, 2, 2))
    run_dir = tmp_path / "run"
    freeze(root, run_dir, processes=2, batch_size=1, epochs=LONG)
    with running(train_command(run_dir), run_dir) as command:
        wait_for_epoch(run_dir, 1, command)
        started = workers_of(command)
        command.kill()
        command.wait()
        _gone, alive = psutil.wait_procs(started, SOON_SECONDS)
        assert not alive
    assert weights(run_dir)  # they saved what they had


@pytest.mark.broad
def test_a_restart_that_torchrun_does_not_count_is_told(tmp_path: Path) -> None:
    """Started anew for another machine, before torchrun has noticed that it had failed itself."""
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, epochs=1)
    failures.record(run_dir, RuntimeError("the disk is gone"), 0, {})
    with running(worker_command(run_dir), run_dir) as worker:
        assert worker.wait(PATIENCE_SECONDS) == 0, output(run_dir)
    said = "Restarted by torchrun (restart 1) after: RuntimeError: the disk is gone"
    assert said in (run_dir / "train.log").read_text()
    assert not failures.file_of(run_dir, 0).exists()


@pytest.mark.broad
def test_loaders_end_with_their_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_dataset(tmp_path / "data")
    freeze(root, tmp_path / "run", num_workers=2)
    freeze(root, tmp_path / "plain")
    launch(tmp_path / "run")
    # Whoever is left of it would still hold the log.
    monkeypatch.setattr(launching.processes, "LOCK_WAIT_SECONDS", 0.0)
    with launching.processes.at_work(tmp_path / "run"):
        pass
    launch(tmp_path / "plain")
    assert same_weights(weights(tmp_path / "run"), weights(tmp_path / "plain"))


@pytest.mark.broad
def test_one_training_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, epochs=LONG)
    with running(train_command(run_dir), run_dir) as first:
        wait_for_epoch(run_dir, 1, first)
        monkeypatch.setattr(launching.processes, "LOCK_WAIT_SECONDS", 0.2)
        with pytest.raises(UsageError, match="already running"):
            launch(run_dir)
        assert first.poll() is None


@pytest.mark.broad
@pytest.mark.parametrize("processes", [1, 2])
def test_a_data_file_cut_short_in_mid_training(tmp_path: Path, processes: int) -> None:
    """With two processes only one of them meets the file; the other merely loses it."""
    root = write_dataset(tmp_path / "data")
    run_dir = tmp_path / "run"
    freeze(root, run_dir, processes=processes, epochs=LONG)
    file = root / "train" / "hr" / "temp" / "step_0003.npy"
    with running(train_command(run_dir), run_dir) as command:
        wait_for_epoch(run_dir, 1, command)
        os.truncate(file, 200)
        assert command.wait(SOON_SECONDS) == EXIT_TRAINING, output(run_dir)
    found = failure(run_dir)
    assert found["kind"] == "data_unreadable"
    assert found["phase"] == "training"
    assert found["epoch"] >= 2
    assert found["rank"] in range(processes)
    assert "A data file vanished" in output(run_dir)
    assert "onnection closed" not in output(run_dir)
    assert not list(run_dir.glob("failure.rank*"))
    assert state(run_dir) == "failed"


@pytest.mark.broad
@pytest.mark.parametrize(
    ("change", "kind", "loaders"),
    [
        (lambda file: np.save(file, np.zeros((8, 8), dtype=np.float32)), "shape_mismatch", 0),
        (lambda file: np.save(file, np.zeros((8, 8), dtype=np.float32)), "shape_mismatch", 1),
        (lambda file: np.save(file, np.full((16, 24), np.inf, np.float32)), "data_unreadable", 0),
        (lambda file: np.save(file, with_nan(np.load(file))), "data_unreadable", 0),
        (lambda file: np.save(file, with_nan(np.load(file))), "data_unreadable", 1),
        (lambda file: file.unlink(), "data_unreadable", 0),
    ],
)
def test_a_data_file_filled_in_during_training(
    tmp_path: Path, change: Callable[[Path], None], kind: str, loaders: int
) -> None:
    root = write_dataset(tmp_path / "data")
    run_dir = tmp_path / "run"
    freeze(root, run_dir, epochs=LONG, num_workers=loaders)
    file = root / "train" / "hr" / "temp" / "step_0003.npy"
    with running(train_command(run_dir), run_dir) as command:
        wait_for_epoch(run_dir, 1, command)
        new = tmp_path / "new.npy"
        shutil.copy(file, new)
        change(new)
        # In one go: while it is being written a file is truncated, which is another test.
        new.replace(file) if new.exists() else file.unlink()
        assert command.wait(SOON_SECONDS) == EXIT_TRAINING, output(run_dir)
    found = failure(run_dir)
    assert found["kind"] == kind
    assert file.name in found["error"]
    assert "Traceback" not in found["error"]


@pytest.mark.broad
@pytest.mark.parametrize("layout", ["h5", "nc"])
def test_a_file_of_a_split_filled_in_during_training(
    tmp_path: Path, layout: Literal["h5", "nc"]
) -> None:
    root = write_dataset(tmp_path / "data", layout=layout)
    run_dir = tmp_path / "run"
    freeze(root, run_dir, epochs=LONG)
    file = root / f"valid.{layout}"
    with running(train_command(run_dir), run_dir) as command:
        wait_for_epoch(run_dir, 1, command)
        new = Path(shutil.copy(file, tmp_path / "new"))
        with h5py.File(new, "a") as opened:
            opened["lr/temp"][:] = with_nan(opened["lr/temp"][:])
        new.replace(file)
        assert command.wait(SOON_SECONDS) == EXIT_TRAINING, output(run_dir)
    found = failure(run_dir)
    assert found["kind"] == "data_unreadable"
    assert f"{file} has changed while it was in use: step 00000" in found["error"]


def with_nan(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return fields with one more gap."""
    return np.where(np.arange(values.shape[-1]) == values.shape[-1] - 1, np.nan, values)


@pytest.mark.broad
@pytest.mark.parametrize(("processes", "victim"), [(1, 0), (2, 1)])
def test_a_killed_worker(tmp_path: Path, processes: int, victim: int) -> None:
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, processes=processes, epochs=LONG)
    with running(train_command(run_dir), run_dir) as command:
        wait_for_epoch(run_dir, 1, command)
        started = workers_of(command)
        started[victim].kill()
        assert command.wait(SOON_SECONDS) == EXIT_TRAINING, output(run_dir)
        assert not any(worker.is_running() for worker in started)
    found = failure(run_dir)
    assert (found["kind"], found["error"]) == ("killed", "signal 9 (SIGKILL)")
    assert "was killed (signal 9)" in output(run_dir)
    assert "lost contact" not in output(run_dir)


def test_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    freeze(
        write_dataset(tmp_path / "data"),
        run_dir,
        epochs=200,
        lr=10.0,
        weight_decay=1.0,
        loss="L2",
    )
    with pytest.raises(TrainingFailedError, match="The loss is not a finite number") as raised:
        launch(run_dir)
    assert "layer" in raised.value.message
    assert raised.value.exit_code == EXIT_TRAINING
    assert "lower training.lr" in raised.value.message
    found = failure(run_dir)
    assert found["kind"] == "loss_not_finite"
    assert found["epoch"] >= 1
    assert found["step"] >= 0
    assert "NonFiniteLossError" in found["traceback"]


@pytest.mark.broad
def test_nothing_is_tried_again(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir)
    (run_dir / "checkpoints").mkdir()
    (run_dir / "checkpoints" / "last.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingFailedError, match=r"last\.pt is damaged"):
        launch(run_dir)
    assert failure(run_dir)["kind"] == "checkpoint_unusable"
    assert (run_dir / "train.log").read_text().count("Traceback (most recent call last)") <= 2
    assert not epochs(run_dir)
    # Once the cause is gone, the failure is forgotten.
    (run_dir / "checkpoints" / "last.pt").unlink()
    launch(run_dir)
    assert not (run_dir / "failure.json").exists()


@pytest.mark.broad
def test_complete_is_complete(tmp_path: Path) -> None:
    """Started again after its end, a training only scores the test split anew."""
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir)
    scores = launch(run_dir)
    before = weights(run_dir)
    assert launch(run_dir) == scores
    assert same_weights(weights(run_dir), before)
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["epoch", "epoch", "test"]


@pytest.mark.slow
def test_a_training_that_is_suspended_rests_and_goes_on(tmp_path: Path) -> None:
    """As by Ctrl-Z, which reaches the launching process alone, and fg."""
    run_dir = tmp_path / "run"
    freeze(write_dataset(tmp_path / "data"), run_dir, epochs=LONG, eval_freq=LONG)
    with running(train_command(run_dir), run_dir) as process:
        wait_for_epoch(run_dir, 2, process)
        (worker,) = workers_of(process)
        process.send_signal(signal.SIGTSTP)
        until = time.monotonic() + PATIENCE_SECONDS
        while {worker.status(), psutil.Process(process.pid).status()} != {psutil.STATUS_STOPPED}:
            assert time.monotonic() < until
            time.sleep(0.05)
        done = len(epochs(run_dir))
        time.sleep(0.5)
        assert len(epochs(run_dir)) == done
        process.send_signal(signal.SIGCONT)
        wait_for_epoch(run_dir, done + 1, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == EXIT_INTERRUPTED
