"""Small real trainings on this machine, through the training core, for `bench.scaling`."""

import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench._cluster import Cluster, Job, Link, epoch_seconds, ring_seconds
from bench._ranks import LARGE, timed
from bench.loader import write_dataset
from srwizard.runs.records import Records
from srwizard.settings import run_config, yaml_file
from srwizard.settings.run_config import RunConfig
from srwizard.train import saving
from srwizard.train.checkpoint import LAST
from srwizard.train.dataset import verified
from srwizard.train.distributed import Place
from srwizard.train.loop import Callbacks, epoch_steps, train
from srwizard.train.scoring import score
from srwizard.train.setup import Training, load_statistics, micro_batches_of, set_up
from srwizard.train.step import optimizer_step

TRAIN, VALID = 8, 2
EPOCHS = 6
NETWORK = {"num_features": 8, "num_blocks": 2}


@dataclass(frozen=True)
class Check:
    """Predictions beside what was measured just before or after them, in seconds."""

    name: str
    predicted: list[float]
    measured: list[float]

    @property
    def ratios(self) -> list[float]:
        """Predicted over measured."""
        return [one / other for one, other in zip(self.predicted, self.measured, strict=True)]


@dataclass(frozen=True)
class Parts:
    """Seconds of the parts of an epoch, each measured by itself: of a sample, or a checkpoint."""

    load: float
    step: float
    score: float
    save: float


def freeze(work: Path, name: str, model: dict[str, Any], **sections: dict[str, Any]) -> Path:
    """Freeze a run on the dataset in `work`, through the command; return its directory."""
    run_dir = work / name
    answers = {
        "data": {"root": str(work / "data")},
        "output": {"dir": str(run_dir)},
        "model": model,
        "devices": {"gpus": [], "processes": 1},
        "confirm": True,
        **sections,
    }
    file = work / f"{name}.yaml"
    file.write_text(yaml_file.dump(answers), encoding="utf-8")
    command = [sys.executable, "-m", "srwizard", "--answers", str(file), "--stop-after", "frozen"]
    ended = subprocess.run(command, capture_output=True, text=True, env=_environment())
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return run_dir


def one_process(work: Path, workers: int) -> tuple[list[Parts], Check]:
    """Train whole fields of 680 x 1440 for some epochs; simulate each from its parts."""
    run_dir = freeze(
        work,
        f"one-{workers}",
        {"name": "EDSR", "params": NETWORK},
        training={"epochs": EPOCHS, "batch_size": 1, "num_workers": workers, "eval_freq": 1},
        memory={"use_amp": False, "gradient_checkpointing": False, "patch_size": None},
    )
    torch.set_num_threads(1)
    run = run_config.load(run_dir)
    alone = run.training.model_copy(update={"num_workers": 0})
    training = _made_ready(run, run_dir)
    reader = _made_ready(run.model_copy(update={"training": alone}), run_dir)
    score(reader, "test")  # bicubic interpolation is scored only once
    epochs: list[float] = []
    parts = [_measure(training, reader, run_dir)]
    begun = time.perf_counter()

    def between(_event: dict[str, Any]) -> None:
        nonlocal begun
        epochs.append(time.perf_counter() - begun)
        parts.append(_measure(training, reader, run_dir))
        begun = time.perf_counter()

    train(training, run_dir, Records(run_dir), Callbacks(on_epoch=between))
    count = sum(part.numel() for part in training.bare.parameters())
    # Parts are measured before and after an epoch. The first one starts processes.
    predicted = [
        (_epoch_of(count, before, workers) + _epoch_of(count, after, workers)) / 2
        for before, after in itertools.pairwise(parts)
    ]
    how = f"{workers} loader process" if workers else "no loader process"
    return parts, Check(f"epoch, 1 process, {how}", predicted[1:], epochs[1:])


def _made_ready(run: RunConfig, run_dir: Path) -> Training:
    contents = verified(run).contents
    found = load_statistics(run, run_dir, contents)
    return set_up(run, contents, found, Place(0, 1, torch.device("cpu")))


def _measure(training: Training, reader: Training, run_dir: Path) -> Parts:
    """Load, step, score and save, each by itself; `reader` has no loader processes."""
    plan = epoch_steps(reader)[:4]
    batches: list[Any] = []
    load = timed(lambda: batches.extend(reader.batches("train", micro_batches_of(plan)))) / 4
    training.objective.train()
    again = itertools.repeat(batches[0])
    steps = [timed(lambda: optimizer_step(training, plan[0], again)) for _repeat in range(3)]
    scored = timed(lambda: score(reader, "test")) / VALID
    saved = timed(lambda: saving.save(training, run_dir, LAST))
    return Parts(load, statistics.fmean(steps), max(scored - load, 0.0), saved)


def _epoch_of(parameters: int, parts: Parts, workers: int) -> float:
    """Return the epoch that the simulation makes of its parts."""
    job = Job(
        parameters=parameters,
        sample_seconds=parts.step,
        score_seconds=parts.score,
        loader_seconds=parts.load,
        workers=workers,
        samples=TRAIN,
        valid=VALID,
        batch=1,
    )
    none = Link(math.inf, 0.0)
    return epoch_seconds(job, Cluster(1, none, none, write=job.checkpoint_bytes / parts.save), 1)


def exchanges(work: Path, sizes: dict[str, int]) -> list[Check]:
    """Measure all-reduces of 2 and 4 processes beside what two others give for them."""
    out = work / "exchange.json"
    _torchrun(4, "exchange", str(out), *(str(size) for size in sizes.values()))
    found = json.loads(out.read_text(encoding="utf-8"))
    here = _this_machine(found["small"], found["large"])
    return [
        Check(
            f"all-reduce, {count} processes, {name}, {size / 1e6:.0f} MB",
            [ring_seconds(size, count, here)],
            [found[f"{count} {size}"]],
        )
        for count in (2, 4)
        for name, size in sizes.items()
    ]


def _this_machine(small: float, large: float) -> Cluster:
    """Return the links of two processes: (n - 1) / n of two passes is all there is, for n = 2."""
    link = Link(LARGE / (large - small), small / 2)
    cores = len(os.sched_getaffinity(0))
    # The processes that exchange are those that compute: gloo has no engines of its own.
    return Cluster(64, link, link, overlap=False, tree=False, shared_by=cores)


def two_processes(work: Path, name: str, run_dir: Path) -> Check:
    """Measure DDP's step beside one without the exchange, and simulate the one from the other."""
    out = work / f"{name}.json"
    _torchrun(2, "steps", str(out), str(run_dir))
    found = json.loads(out.read_text(encoding="utf-8"))
    alone, together = found["alone"], found["together"]
    here = _this_machine(*(statistics.median(found[part]) for part in ("small", "large")))
    mean = statistics.fmean(alone)
    job = Job(
        parameters=found["parameters"],
        sample_seconds=mean,
        samples=64,
        batch=2,
        workers=0,
    )
    jitter = math.sqrt(math.log1p((statistics.stdev(alone) / mean) ** 2))
    steps = job.samples // 2
    predicted = epoch_seconds(job, replace(here, jitter=jitter), 2) / steps
    label = f"DDP step, 2 processes, {name}, {job.gradient_bytes / 1e6:.0f} MB"
    return Check(label, [predicted], [statistics.fmean(together)])


def _torchrun(processes: int, *arguments: str) -> None:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        f"--nproc-per-node={processes}", "-m", "bench._ranks", *arguments,
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, env=_environment())
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)}\n{ended.stderr[-2000:]}")


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "LC_ALL": "C.UTF-8"}


def measured(sizes: dict[str, int]) -> tuple[float, list[Check]]:
    """Return seconds that a loader process takes for one sample here, and all checks."""
    checks = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        write_dataset(work / "data", TRAIN)
        parts, check = one_process(work, 0)
        checks.append(check)
        checks.append(one_process(work, 1)[1])
        checks += exchanges(work, sizes)
        for size, patch in (("base", 128), ("large", 64)):
            run_dir = freeze(
                work,
                f"ddp-{size}",
                {"name": "EDSR", "size": size},
                training={"batch_size": 1, "num_workers": 0},
                memory={"use_amp": False, "gradient_checkpointing": False, "patch_size": patch},
            )
            checks.append(two_processes(work, f"EDSR {size}", run_dir))
        return statistics.median(part.load for part in parts), checks
