"""The dry run: the training core itself, for a few steps, in processes of its own.

An out-of-memory, a crash or a kill there hurts nobody, and all memory is given back at its end.
"""

import json
import resource
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from srwizard import files, runconfig
from srwizard.devices import cpu, find_devices
from srwizard.errors import InterruptedByUserError, TrainingFailedError, UsageError
from srwizard.i18n import translate as _
from srwizard.memory.verdict import Verdict, judge
from srwizard.runconfig import RunConfig
from srwizard.train import failures, processes
from srwizard.train.failure_kinds import FOR_WANT_OF_MEMORY

REHEARSAL = "srwizard.memory.rehearsal"
FILE_NAME = failures.DRY_RUN_FILE
SCRATCH_PREFIX = ".dry_run-"


@dataclass(frozen=True)
class DryRun:
    """What a dry run found.

    On a CPU `peak_bytes` is that of all ranks together, against the memory that was available
    before they started; on GPUs it is that of the rank whose GPU is fullest, against what was
    free on it. `reason` says why there is no peak, if the dry run itself ran out of memory, and
    `phase` and `step` where. docs/memory.md describes every key.
    """

    verdict: Verdict
    device: str
    capacity_bytes: int
    peak_bytes: int | None = None
    above_baseline_bytes: int | None = None
    predicted_bytes: int | None = None
    ratio: float | None = None
    step_seconds: float | None = None
    epoch_seconds: float | None = None
    validation_seconds: float | None = None
    run_seconds: float | None = None
    ranks: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None
    phase: str | None = None
    step: int | None = None
    digest: str = ""


def dry_run(run_dir: Path) -> DryRun:
    """Measure the peak memory of a run, judge it, and write `dry_run.json`.

    Raises:
        InterruptedByUserError: somebody asked to stop.
        TrainingFailedError: the dry run failed for another reason than memory.
        DatasetError, UsageError: the run config or its dataset is not what was frozen.
    """
    run = runconfig.load(run_dir)
    runconfig.verify_dataset(run)
    capacities = _capacities(run)
    with processes.at_work(run_dir) as log:
        for left_over in run_dir.glob(f"{SCRATCH_PREFIX}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        # In the run directory, so that the checkpoint is tried on the disk that it will lie on.
        with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=run_dir) as name:
            scratch = Path(name)
            ended = processes.start(run, log, REHEARSAL, str(run_dir), str(scratch))
            # Also where it was about to end: what follows would be a training.
            if ended.stop_asked and not failures.causes(scratch):
                raise InterruptedByUserError(_("the dry run was interrupted"))
            if ended.returncode == 0:
                result = _judged(run, capacities, _rank_figures(scratch))
            else:
                result = _out_of_memory(run, capacities, failures.collect(scratch, ended))
    files.write_json(run_dir / FILE_NAME, asdict(result))
    return result


def _capacities(run: RunConfig) -> list[int]:
    """Return the free memory of each chosen GPU, or what is available to all on the CPU.

    Raises:
        UsageError: NVML no longer tells what is free on a chosen GPU.
    """
    if not run.devices.gpus:
        return [cpu_capacity(run.devices.processes)]
    found = find_devices()
    free = {gpu.uuid: gpu.free_bytes for gpu in found.gpus}
    for gpu in run.devices.gpus:
        if gpu.uuid not in free:
            raise UsageError(
                _(
                    "GPU {index} ({name}) does not tell its free memory any more",
                    index=gpu.index,
                    name=gpu.name,
                ),
                "\n".join([*found.notices, _("See what is there: srwizard gpus")]),
            )
    return [free[gpu.uuid] for gpu in run.devices.gpus]


def cpu_capacity(processes: int) -> int:
    """Return the bytes that so many processes may hold on the CPU together.

    That is what the machine and its groups have left; and no process can hold more than its
    address space, which batch systems limit (`ulimit -v`).
    """
    limit, _hard = resource.getrlimit(resource.RLIMIT_AS)
    available = cpu().available_bytes
    return available if limit == resource.RLIM_INFINITY else min(available, limit * processes)


def _device_text(run: RunConfig) -> str:
    if not run.devices.gpus:
        return f"cpu x {run.devices.processes}"
    return ", ".join(f"GPU {gpu.index}: {gpu.name}" for gpu in run.devices.gpus)


def _rank_figures(scratch: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in scratch.glob("rank*.json")]
    return sorted(found, key=lambda figures: int(figures["rank"]))


def _judged(run: RunConfig, capacities: list[int], ranks: list[dict[str, Any]]) -> DryRun:
    peaks = [int(figures["peak_bytes"]) for figures in ranks]
    above = [int(figures["peak_bytes"]) - int(figures["baseline_rss_bytes"]) for figures in ranks]
    if run.devices.gpus:
        fullest = max(
            zip(peaks, capacities, strict=True), key=lambda pair: pair[0] / max(pair[1], 1)
        )
        peak, capacity = fullest
    else:
        peak, capacity = sum(peaks), capacities[0]
    times = _times(run, ranks)
    return DryRun(
        verdict=judge(peak, capacity),
        device=_device_text(run),
        capacity_bytes=capacity,
        peak_bytes=peak,
        above_baseline_bytes=None if run.devices.gpus else sum(above),
        predicted_bytes=ranks[0].get("predicted_bytes"),
        ratio=peak / capacity if capacity > 0 else None,
        ranks=ranks,
        digest=run.digest,
        step_seconds=times["step_seconds"],
        epoch_seconds=times["epoch_seconds"],
        validation_seconds=times["validation_seconds"],
        run_seconds=times["run_seconds"],
    )


def _times(run: RunConfig, ranks: list[dict[str, Any]]) -> dict[str, float]:
    """Return how long a step, an epoch, a validation and the whole run take, in seconds."""
    step = max(float(figures["step_seconds"]) for figures in ranks)
    batch = max(float(figures.get("validation_batch_seconds", 0.0)) for figures in ranks)
    epoch = step * -(-run.data.steps["train"] // run.global_batch)
    together = run.scoring_batch * run.devices.processes
    batches = {split: -(-run.data.steps[split] // together) for split in ("valid", "test")}
    members = int(run.model.params.get("ensemble_members", 1))
    validations = -(-run.training.epochs // run.training.eval_freq)
    return {
        "step_seconds": step,
        "epoch_seconds": epoch,
        "validation_seconds": batch * batches["valid"],
        "run_seconds": run.training.epochs * epoch
        + batch * (validations * batches["valid"] + members * batches["test"]),
    }


def _out_of_memory(run: RunConfig, capacities: list[int], failure: dict[str, Any]) -> DryRun:
    if failure["kind"] not in FOR_WANT_OF_MEMORY:
        raise TrainingFailedError(
            "\n".join([_("The dry run failed."), *failures.explain(failure)]),
        )
    return DryRun(
        verdict="does not fit",
        device=_device_text(run),
        capacity_bytes=min(capacities),
        reason=failure["error"],
        phase=failure.get("phase"),
        step=failure.get("step"),
        digest=run.digest,
    )
