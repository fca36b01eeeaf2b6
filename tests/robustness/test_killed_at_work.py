"""Kills at random moments of trainings in several processes: what is resumed ends bit-equal.

A rank, torchrun's agent, or all processes at once are killed, in a step, in validation or while a
checkpoint is written; a run is killed several times before it may go on to its end.
"""

import contextlib
import math
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from srwizard.base.errors import EXIT_TRAINING
from srwizard.runs import last_phase
from srwizard.runs.records import METRICS_FILE, read_events
from srwizard.settings import run_config
from srwizard.train import checkpoint
from srwizard.train.checkpoint import NAMES
from tests.datasets import write_dataset
from tests.robustness.long_runs import LONG, note
from tests.train.runs import (
    PATIENCE_SECONDS,
    failure,
    freeze,
    output,
    running,
    train_command,
)

RANKS = 2
EPOCHS = 12
KILLS_OF_A_RUN = 5
VICTIMS = ("a rank", "the agent", "all")
PHASES = ("training", "validation", "checkpoint")
LONGEST_DELAY_SECONDS = 0.03
"""A step, a validation or a checkpoint of these networks takes about as long."""
TRIES = 5
"""At one kill that meets a training at work, which on a busy machine the first may not."""
ENOUGH = 0.75
"""Share of the kills that have to meet a training at work: 30 of 40."""
EVERYTHING: dict[str, Any] = {
    "processes": RANKS, "batch_size": 1, "grad_accumulation": 2, "epochs": EPOCHS,
    "num_workers": 1, "patch_size": 8, "ema_decay": 0.9, "scheduler": "plateau",
    "plateau_patience": 1, "lr": 0.01, "patience": EPOCHS,
    "skip": "auto",
}  # fmt: skip
RUNS: dict[str, dict[str, Any]] = {
    "DDP": {},
    "FSDP": {"shard": True},
    "DDP, diffusion": {"model": "DDPM"},
    "FSDP, diffusion": {"model": "DDPM", "shard": True},
}
TIMED = ("time", "seconds", "samples_per_second", "peak_memory_bytes")


@dataclass(frozen=True)
class Moment:
    """Who is killed, how long into which phase of the first epoch from `epoch` on."""

    victim: str
    phase: str
    epoch: int
    delay: float


def moments(draw: random.Random, count: int) -> Iterator[list[Moment]]:
    """Draw so many moments, in the order in which a run comes to them, for one run at a time."""
    for left in range(count, 0, -KILLS_OF_A_RUN):
        yield sorted(
            (
                Moment(
                    draw.choice(VICTIMS),
                    draw.choice(PHASES),
                    draw.randrange(1, EPOCHS // 2),
                    draw.random() * LONGEST_DELAY_SECONDS,
                )
                for _kill in range(min(left, KILLS_OF_A_RUN))
            ),
            key=lambda moment: moment.epoch,
        )


def ends(run_dir: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return all that a complete training leaves: what is on record but times, and checkpoints."""
    assert (run_dir / "plots" / "samples.npz").is_file(), output(run_dir)
    run = run_config.load(run_dir)
    events = [
        {key: value for key, value in event.items() if key not in TIMED}
        for event in read_events(run_dir / METRICS_FILE)
    ]
    return events, {name: checkpoint.load(run_dir, name, run) for name in NAMES}


def differing(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Name what of two checkpoints is not equal bit for bit."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differing(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list | tuple) and isinstance(other, type(one)) and len(one) == len(other):
        for place, (mine, yours) in enumerate(zip(one, other, strict=True)):
            yield from differing(mine, yours, f"{where}/{place}")
    elif isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if not torch.equal(one, other):
            yield where
    elif one != other:
        yield where


def train_to_the_end(run_dir: Path) -> None:
    with running(train_command(run_dir), run_dir) as command:
        assert command.wait(PATIENCE_SECONDS) == 0, output(run_dir)


def victims_of(
    command: "subprocess.Popen[str]", victim: str, draw: random.Random
) -> list[psutil.Process]:
    """Return the processes to kill, in the order in which they are; loaders are below ranks."""
    launcher = psutil.Process(command.pid)
    (agent,) = launcher.children()
    if victim == "a rank":
        return [draw.choice(agent.children())]
    if victim == "the agent":
        return [agent]
    everybody = [launcher, *launcher.children(recursive=True)]
    draw.shuffle(everybody)
    return everybody


def kill(run_dir: Path, moment: Moment, draw: random.Random) -> str | None:
    """Train until a moment, and kill; return the phase that was met, None where all was over."""
    last_phase.clear(run_dir)
    with running(train_command(run_dir), run_dir) as command:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            seen = last_phase.last_seen(run_dir, 0)
            if (seen.get("epoch") or 0) >= moment.epoch and seen["phase"] == moment.phase:
                break
            if command.poll() is not None:
                assert command.returncode == 0, output(run_dir)
                return None
            assert time.monotonic() < until, output(run_dir)
            time.sleep(0.001)
        time.sleep(moment.delay)
        below = psutil.Process(command.pid).children(recursive=True)
        chosen = list(filter(is_alive, victims_of(command, moment.victim, draw)))
        phase: str | None = last_phase.last_seen(run_dir, 0).get("phase")
        if phase not in PHASES or not chosen:
            assert command.wait(PATIENCE_SECONDS) == 0, output(run_dir)
            return None
        for process in chosen:
            with contextlib.suppress(psutil.NoSuchProcess):  # one that has lost another ends itself
                process.kill()
        code = command.wait(PATIENCE_SECONDS)
        _gone, alive = psutil.wait_procs(below, PATIENCE_SECONDS)
        assert not alive
        assert "Traceback" not in output(run_dir)
        if moment.victim == "all":
            assert code == -signal.SIGKILL
        else:
            assert code == EXIT_TRAINING, output(run_dir)
            assert failure(run_dir)["kind"] == "killed", (moment, failure(run_dir))
        return phase


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("killed") / "data")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "count"),
    [("DDP", 1), ("FSDP", 1), *(pytest.param(kind, 10, marks=LONG) for kind in RUNS)],
)
def test_killed_and_resumed(kind: str, root: Path, tmp_path: Path, count: int) -> None:
    seed = random.SystemRandom().randrange(2**32) if count > 1 else 1
    print(f"seed {seed}")
    draw = random.Random(seed)
    freeze(root, tmp_path / "undisturbed", **(EVERYTHING | RUNS[kind]))
    train_to_the_end(tmp_path / "undisturbed")
    events, checkpoints = ends(tmp_path / "undisturbed")
    met: Counter[str] = Counter()
    for number, chosen in enumerate(moments(draw, count if count > 1 else TRIES)):
        run_dir = tmp_path / f"killed{number}"
        freeze(root, run_dir, **(EVERYTHING | RUNS[kind]))
        for moment in chosen:
            phase = kill(run_dir, moment, draw)
            if phase is not None:
                met[f"{moment.victim} in {phase}"] += 1
        train_to_the_end(run_dir)
        found, kept = ends(run_dir)
        assert found == events, chosen
        assert not list(differing(kept, checkpoints)), chosen
        assert not [*(run_dir / "checkpoints").rglob("*.tmp")], chosen
        if count == 1 and met:
            break
    assert met.total() >= math.ceil(ENOUGH * count), met
    if count > 1:
        note(f"kills, {kind}: {met.total()} of {count} met a training at work: {dict(met)}")
