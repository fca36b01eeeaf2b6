"""Predictions for the wizard, which imports no torch: made by a process of its own, and kept.

A prediction depends on the network, the shapes, the memory options and the device, not on the
values; it is kept in the user's cache under a digest of these.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from srwizard.base import files
from srwizard.base.child_process import end_with_parent
from srwizard.base.user_directories import cache_directory
from srwizard.hardware.devices import cpu
from srwizard.memory.available import least_capacity
from srwizard.memory.durations import steps_of_an_epoch
from srwizard.memory.verdict import judge
from srwizard.settings.run_config import RunConfig

FORECASTER = "srwizard.memory.forecaster"
MOST_TOGETHER = 4
PATIENCE_SECONDS = 300
CONTENT = 3
"""Raised when a forecast comes to hold more, or other figures."""
NOT_PREDICTED_FROM: dict[str, Any] = {
    "schema_version": True, "revision": True, "created": True, "language": True, "output": True,
    "stamps": True, "digest": True, "field_digests": True,
    "data": {"root", "fingerprint", "variables", "masked", "guide_scales", "handedness"},
    "training": {
        "recipe", "epochs", "lr", "weight_decay", "scheduler", "step_size", "gamma",
        "plateau_patience", "warmup_epochs", "min_lr", "lr_range_test", "patience", "eval_freq",
        "seed", "trackers", "schedule_from",
    },
    "devices": {"launcher", "gpus", "rdzv_endpoint", "slurm"},
}  # fmt: skip
"""What of a run config neither the memory nor the time of a step depends on."""


@dataclass(frozen=True)
class Forecast:
    """What is known of a run before it is tried.

    Args:
        parameters: of the network.
        peak_bytes: predicted, as in dry_run.json.
        step_seconds: of an optimizer step, where a dry run has taken them.
        step_cost: of an optimizer step, to compare runs with each other (see `cost`).
    """

    parameters: int
    peak_bytes: int
    step_seconds: float | None = None
    step_cost: float | None = None

    def epoch_cost(self, run: RunConfig) -> float | None:
        """Return the cost of the training steps of an epoch of `run`, whose forecast this is."""
        return None if self.step_cost is None else self.step_cost * steps_of_an_epoch(run)


def known(run: RunConfig) -> Forecast | None:
    """Return what is known of a run, or None."""
    try:
        stored = files.parse_json(file_of(run).read_text(encoding="utf-8"))
        return TypeAdapter(Forecast).validate_python(stored, strict=False)
    except (OSError, ValueError):
        return None


def keep(run: RunConfig, forecast: Forecast) -> None:
    """Keep a forecast; where the cache cannot be written, nothing is kept."""
    path = file_of(run)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(path, vars(forecast))
    except OSError:
        return


def note_step_seconds(run: RunConfig, seconds: float) -> None:
    """Add what a dry run has measured to what was predicted."""
    found = known(run)
    if found is not None:
        keep(run, replace(found, step_seconds=seconds))


def forecasts(runs: Sequence[RunConfig]) -> list[Forecast | None]:
    """Return the forecast of each run, once all are made; None where one cannot be.

    As many processes as there are cores share them: a person waits for the last one.
    """
    together = min(cpu().cores, MOST_TOGETHER)
    until = time.monotonic() + PATIENCE_SECONDS
    for child in [begin(runs[place::together]) for place in range(together)]:
        if child is not None:
            try:
                child.wait(max(until - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                child.kill()
    return [known(run) for run in runs]


def fits(run: RunConfig) -> bool:
    """Return whether a run is predicted to fit into the memory there is; True if nobody knows."""
    found = known(run) or forecasts([run])[0]
    capacity = least_capacity(run)
    return found is None or capacity is None or judge(found.peak_bytes, capacity) == "fits"


def begin(runs: Sequence[RunConfig]) -> "subprocess.Popen[bytes] | None":
    """Begin to predict what is not known yet, in the background; it ends with this process."""
    wanted = [run.model_dump() for run in runs if known(run) is None]
    if not wanted:
        return None
    child = subprocess.Popen(
        ["nice", sys.executable, "-m", FORECASTER],
        env={**os.environ, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )
    assert child.stdin is not None
    with child.stdin:
        child.stdin.write(json.dumps(wanted).encode())
    return child


def file_of(run: RunConfig) -> Path:
    """Return the file that the forecast of a run is kept in."""
    parts: dict[str, Any] = run.model_dump(exclude=NOT_PREDICTED_FROM) | {
        "content": CONTENT,
        "variables": len(run.data.variables),
        "gpus": [gpu.name for gpu in run.devices.gpus],
        "cores": None if run.devices.on_gpus else cpu().cores,
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
    return cache_directory() / "forecasts" / f"{digest}.json"
