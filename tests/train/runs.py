"""Frozen runs for the tests, without the wizard; trained in this process or in real ones."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch

from srwizard.data.dataset import Dataset
from srwizard.data.outliers import Rule
from srwizard.runs.records import METRICS_FILE, Records, read_events
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.train.dataset import verified
from srwizard.train.distributed import Place
from srwizard.train.loop import Callbacks, train
from srwizard.train.resuming import resume
from srwizard.train.setup import Training, load_statistics, set_up
from srwizard.train.simple_methods import load_learnt
from srwizard.wizard.resolve import with_augmentation, with_guide_scales, with_outliers
from srwizard.wizard.skip import UNSETTLED, with_settled_skip
from tests.configs import cpu_run, data_of, frozen
from tests.small_networks import SMALL
from tests.train.machines import Machine

PATIENCE_SECONDS = 240.0


def freeze(
    root: Path,
    run_dir: Path,
    *,
    model: str = "EDSR",
    params: dict[str, Any] | None = None,
    static_variables: Sequence[str] = (),
    guides: Sequence[str] = (),
    vectors: list[list[str]] | None = None,
    skip: str | None = None,
    conserve: str = "none",
    periodic: bool = False,
    outliers: Rule = "refuse",
    **changes: Any,
) -> RunConfig:
    """Freeze a run of a small network on the dataset `root` into `run_dir`, which is made.

    Args:
        root: a dataset directory.
        run_dir: the run directory.
        model: name of a card.
        params: of the network, where they differ from those in `SMALL`.
        static_variables: further input channels.
        guides: HR fields that the network sees.
        vectors: pairs of components.
        skip: the simple method to start from, or "auto"; None: as runs of version 0.1.0 did.
        conserve: whether block means are conserved: "none" or "additive".
        periodic: whether the grid goes round the globe.
        outliers: what is done about values that cannot be.
        changes: whatever else `cpu_run` takes.
    """
    area_weights = bool(changes.get("area_weights"))
    data = data_of(root, static_variables, guides, area_weights=area_weights)
    data = data.model_copy(
        update={"vectors": vectors, "periodic": periodic, "patches_go_round": periodic,
                "outliers": outliers}
    )  # fmt: skip
    params = SMALL[model] | (params or {})
    run = cpu_run(data, run_dir, model, params, **changes)
    run = run.model_copy(update={"model": run.model.model_copy(update={"conserve": conserve})})
    if outliers == "mask":
        run = with_outliers(run, Dataset(root, outliers, periodic=periodic))
    if skip is not None:
        unsettled = {"skip": dict.fromkeys(data.variables, UNSETTLED), "global_skip": False}
        run = run.model_copy(update={"model": run.model.model_copy(update=unsettled)})
        run = with_settled_skip(run, skip, Dataset(root, periodic=periodic))
    run = with_guide_scales(run, Dataset(root, periodic=periodic))
    if run.training.augment:
        run = with_augmentation(run, Dataset(root, periodic=periodic))
    return frozen(run)


def made_ready(run_dir: Path) -> Training:
    """Set a run up in this process, as the worker does, standing where its checkpoint says."""
    training = set_up_only(run_dir)
    resume(training, run_dir)
    return training


ALONE_ON_THE_CPU = Place(0, 1, torch.device("cpu"))


def set_up_only(run_dir: Path, place: Place = ALONE_ON_THE_CPU) -> Training:
    """Set a run up in this process, standing at its beginning."""
    run = run_config.load(run_dir)
    contents = verified(run).contents
    learnt = load_learnt(run, run_dir, contents)
    return set_up(run, contents, load_statistics(run, run_dir, contents), place, learnt=learnt)


def trained(run_dir: Path, callbacks: Callbacks | None = None) -> Training:
    """Train a run in this process, from its last checkpoint on."""
    training = made_ready(run_dir)
    records = Records(run_dir)
    records.drop_from(training.progress.epoch if training.progress.steps else 0)
    train(training, run_dir, records, callbacks or Callbacks())
    return training


def weights(run_dir: Path, name: str = "last") -> dict[str, torch.Tensor]:
    """Return the weights of a checkpoint."""
    state = torch.load(
        run_dir / "checkpoints" / f"{name}.pt", map_location="cpu", weights_only=True
    )
    found: dict[str, torch.Tensor] = state["weights"]
    return found


def same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Return whether two sets of weights agree bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def epochs(run_dir: Path) -> list[dict[str, Any]]:
    """Return the events of the finished epochs."""
    events = read_events(run_dir / METRICS_FILE)
    return [event for event in events if event["event"] == "epoch"]


def failure(run_dir: Path) -> dict[str, Any]:
    """Return what failure.json says."""
    found: dict[str, Any] = json.loads((run_dir / "failure.json").read_text())
    return found


def worker_command(run_dir: Path) -> list[str]:
    """Return the command of one process of a training."""
    return [sys.executable, "-m", "srwizard.train.worker", str(run_dir)]


def train_command(run_dir: Path) -> list[str]:
    """Return the command that a user types."""
    return [sys.executable, "-m", "srwizard", "train", str(run_dir)]


@contextlib.contextmanager
def running(
    command: list[str], run_dir: Path, machine: Machine | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """Start a real process, its output kept; whatever is left of it in the end is killed."""
    with (run_dir / "output.txt").open("a") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            preexec_fn=machine.enter if machine else None,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            yield process
        finally:
            for left in [*workers_of(process), process]:
                with contextlib.suppress(psutil.Error, OSError):
                    left.kill()
            process.wait()


def output(run_dir: Path) -> str:
    """Return what the process of `running` printed."""
    return (run_dir / "output.txt").read_text()


def workers_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return the training processes below `process`, in the order of their ranks."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []
    found = []
    for child in below:
        with contextlib.suppress(psutil.Error):
            if child.cmdline()[1:3] == ["-m", "srwizard.train.worker"] or (
                "srwizard.train.worker" in child.cmdline()
                and "torch.distributed.run" not in child.cmdline()
            ):
                found.append(child)
    return sorted(found, key=lambda child: child.pid)


def wait_for_epoch(run_dir: Path, number: int, process: "subprocess.Popen[str]") -> None:
    """Wait until so many epochs are on record."""
    until = time.monotonic() + PATIENCE_SECONDS
    while len(epochs(run_dir)) < number:
        assert process.poll() is None, output(run_dir)
        assert time.monotonic() < until, "nothing happens"
        time.sleep(0.01)
