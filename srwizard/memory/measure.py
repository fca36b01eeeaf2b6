"""The dry run: the training core itself, for a few steps, in processes of its own.

An out-of-memory, a crash or a kill there hurts nobody, and all memory is given back at its end.
"""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from srwizard import files, runconfig
from srwizard.devices import cpu, find_devices
from srwizard.errors import InterruptedByUserError, TrainingFailedError
from srwizard.i18n import translate as _
from srwizard.memory.verdict import Verdict, judge
from srwizard.runconfig import RunConfig
from srwizard.train import failures, processes

REHEARSAL = "srwizard.memory.rehearsal"
FILE_NAME = "dry_run.json"
SCRATCH_PREFIX = ".dry_run-"
OUT_OF_MEMORY = ("cuda_out_of_memory", "host_out_of_memory", "killed")


@dataclass(frozen=True)
class DryRun:
    """What a dry run found.

    On a CPU `peak_bytes` is that of all ranks together, against the memory that was available
    before they started; on GPUs it is that of the rank whose GPU is fullest, against what was
    free on it. `reason` says why there is no peak, if the dry run itself ran out of memory.
    """

    verdict: Verdict
    device: str
    capacity_bytes: int
    peak_bytes: int | None = None
    ratio: float | None = None
    step_seconds: float | None = None
    epoch_seconds: float | None = None
    ranks: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None
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
            if ended.returncode == 0:
                result = _judged(run, capacities, _rank_figures(scratch))
            elif ended.stop_asked and not failures.causes(scratch):
                raise InterruptedByUserError(_("the dry run was interrupted"))
            else:
                result = _out_of_memory(run, capacities, failures.collect(scratch, ended))
    files.write_json(run_dir / FILE_NAME, asdict(result))
    return result


def _capacities(run: RunConfig) -> list[int]:
    """Return the free memory of each chosen GPU, or what is available to all on the CPU."""
    if not run.devices.gpus:
        return [cpu().available_bytes]
    free = {gpu.uuid: gpu.free_bytes for gpu in find_devices().gpus}
    return [free.get(gpu.uuid, 0) for gpu in run.devices.gpus]


def _device_text(run: RunConfig) -> str:
    if not run.devices.gpus:
        return f"cpu x {run.devices.processes}"
    return ", ".join(f"GPU {gpu.index}: {gpu.name}" for gpu in run.devices.gpus)


def _rank_figures(scratch: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in scratch.glob("rank*.json")]
    return sorted(found, key=lambda figures: int(figures["rank"]))


def _judged(run: RunConfig, capacities: list[int], ranks: list[dict[str, Any]]) -> DryRun:
    peaks = [int(figures["peak_bytes"]) for figures in ranks]
    if run.devices.gpus:
        fullest = max(
            zip(peaks, capacities, strict=True), key=lambda pair: pair[0] / max(pair[1], 1)
        )
        peak, capacity = fullest
    else:
        peak, capacity = sum(peaks), capacities[0]
    seconds = max(float(figures["step_seconds"]) for figures in ranks)
    return DryRun(
        verdict=judge(peak, capacity),
        device=_device_text(run),
        capacity_bytes=capacity,
        peak_bytes=peak,
        ratio=peak / max(capacity, 1),
        step_seconds=seconds,
        epoch_seconds=seconds * -(-run.data.steps["train"] // run.global_batch),
        ranks=ranks,
        digest=run.digest,
    )


def _out_of_memory(run: RunConfig, capacities: list[int], failure: dict[str, Any]) -> DryRun:
    if failure["kind"] not in OUT_OF_MEMORY:
        raise TrainingFailedError(
            "\n".join([_("The dry run failed."), *failures.explain(failure)]),
        )
    return DryRun(
        verdict="does not fit",
        device=_device_text(run),
        capacity_bytes=min(capacities),
        reason=failure["error"],
        digest=run.digest,
    )
