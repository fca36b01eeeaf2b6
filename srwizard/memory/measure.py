"""The dry run: the training core itself, for a few steps, in processes of its own.

An out-of-memory, a crash or a kill there hurts nobody, and all memory is given back at its end.
"""

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from srwizard.base import files
from srwizard.base.errors import InterruptedByUserError, TrainingFailedError
from srwizard.base.i18n import translate as _
from srwizard.data.dataset import Dataset
from srwizard.hardware.chosen import remarks_on_gpus
from srwizard.hardware.core_use import core_times, taken_by_others
from srwizard.memory.available import address_space, capacities_of
from srwizard.memory.durations import durations
from srwizard.memory.verdict import Verdict, judge, worst
from srwizard.runs import failures
from srwizard.runs.failure_kinds import kind_named
from srwizard.runs.records import DRY_RUN_FILE, LOG_FILE, epochs_done
from srwizard.settings import run_config
from srwizard.settings.run_config import RunConfig
from srwizard.train import launch_on_nodes, processes
from srwizard.train.dataset import verified
from srwizard.train.launch import own_log
from srwizard.train.nodes import Nodes, endpoint_of

REHEARSAL = "srwizard.memory.rehearsal"
FILE_NAME = DRY_RUN_FILE
SCRATCH_PREFIX = ".dry_run-"
SHARED_SCRATCH = f"{SCRATCH_PREFIX}nodes"
VERDICT_SECONDS = 120.0
"""How long the machine that leads may need to write down what was found."""
FAILED_SECONDS = 20.0


@dataclass(frozen=True)
class DryRun:
    """What a dry run found.

    On a CPU `peak_bytes` is that of all ranks of a machine together, against the memory that was
    available there before they started; on GPUs it is that of the rank whose GPU is fullest,
    against what was free on it, and `host_peak_bytes` what its machine took of the main memory
    beside, which is judged, too. Of several `hosts` the fullest counts. `reason` says why there is
    no peak, if the dry run itself ran out of memory, and `phase` and `step` where.
    `address_space_bytes` is what each process may have on a CPU, if that is limited: more than
    memory is in it. docs/memory.md describes every key.
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
    epochs_done: int = 0
    ranks: list[dict[str, Any]] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    reason: str | None = None
    phase: str | None = None
    step: int | None = None
    others_share: float | None = None
    lr_range: dict[str, Any] | None = None
    host_peak_bytes: int | None = None
    host_capacity_bytes: int | None = None
    address_space_bytes: int | None = None
    digest: str = ""


def dry_run(run_dir: Path, nodes: Nodes | None = None, dataset: Dataset | None = None) -> DryRun:
    """Measure the peak memory of a run, judge it, and write `dry_run.json`.

    Args:
        run_dir: the run directory.
        nodes: the machines, if this is the first of several.
        dataset: that of the run, if this command has looked at it already.

    Raises:
        InterruptedByUserError: somebody asked to stop.
        TrainingFailedError: the dry run failed for another reason than memory.
        DatasetError, UsageError: the run config or its dataset is not what was frozen.
    """
    run = run_config.load(run_dir)
    dataset = verified(run, dataset)
    capacities = capacities_of(run)
    with processes.at_work(run_dir) as log:
        for left_over in run_dir.glob(f"{SCRATCH_PREFIX}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        # In the run directory, so that the checkpoint is tried on the disk that it will lie on.
        with _scratch(run_dir, nodes) as scratch:
            begun = core_times()
            ended, others = launch_on_nodes.start(
                run,
                run_dir,
                log,
                *_rehearsal(run_dir, scratch, capacities),
                dataset=dataset,
                nodes=nodes,
            )
            # Also where it was about to end: what follows would be a training.
            if ended.stop_asked and not failures.causes(scratch):
                raise InterruptedByUserError(_("the dry run was interrupted"))
            if ended.returncode == 0:
                share = taken_by_others(begun, core_times())
                result = _judged(run, _rank_figures(scratch), epochs_done(run_dir), share)
            else:
                remarks = remarks_on_gpus(run.devices)
                failure = failures.collect(scratch, ended, others=others, gpus=remarks)
                result = _out_of_memory(run, capacities, failure)
    files.write_json(run_dir / FILE_NAME, asdict(result))
    return result


def join_dry_run(run_dir: Path, nodes: Nodes, dataset: Dataset | None = None) -> dict[str, Any]:
    """Take part in a dry run that `dry_run` leads on another machine.

    Returns:
        What that machine wrote into `dry_run.json`.

    Raises:
        InterruptedByUserError, TrainingFailedError, DatasetError, UsageError: as `dry_run`.
    """
    run = run_config.load(run_dir)
    dataset = verified(run, dataset)
    before = _written(run_dir)
    scratch = run_dir / SHARED_SCRATCH
    with processes.at_work(run_dir, own_log()) as log:
        ended, _others = launch_on_nodes.start(
            run,
            run_dir,
            log,
            *_rehearsal(run_dir, scratch, capacities_of(run)),
            dataset=dataset,
            nodes=nodes,
        )
    if ended.stop_asked:
        raise InterruptedByUserError(_("the dry run was interrupted"))
    # What fails for another reason than memory leaves no verdict.
    until = time.monotonic() + (VERDICT_SECONDS if ended.returncode == 0 else FAILED_SECONDS)
    while _written(run_dir) == before:
        if time.monotonic() > until:
            raise TrainingFailedError(
                _("The dry run failed; the machine that leads it says why."),
                _("See {path}", path=run_dir / LOG_FILE),
            )
        time.sleep(0.2)
    return files.read_json(run_dir / FILE_NAME) or {}


def _rehearsal(run_dir: Path, scratch: Path, capacities: list[int]) -> list[str]:
    return [REHEARSAL, str(run_dir), str(scratch), *map(str, capacities)]


@contextlib.contextmanager
def _scratch(run_dir: Path, nodes: Nodes | None) -> Iterator[Path]:
    """Make a directory for the figures and the checkpoint of a dry run, and remove it again.

    Several machines have to know it beforehand.
    """
    if endpoint_of(nodes) is None:
        with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=run_dir) as name:
            yield Path(name)
        return
    shared = run_dir / SHARED_SCRATCH
    shared.mkdir()
    try:
        yield shared
    finally:
        shutil.rmtree(shared, ignore_errors=True)


def _written(run_dir: Path) -> tuple[int, int] | None:
    """Return what changes whenever `dry_run.json` is written anew."""
    try:
        found = (run_dir / FILE_NAME).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _device_text(run: RunConfig) -> str:
    if run.devices.on_gpus:
        names = ", ".join(f"GPU {gpu.index}: {gpu.name}" for gpu in run.devices.gpus)
        here = names or f"{run.devices.gpus_per_node} GPU"
    else:
        here = f"cpu x {run.devices.processes}"
    return here if run.devices.nodes == 1 else f"{run.devices.nodes} x {here}"


def _rank_figures(scratch: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in scratch.glob("rank*.json")]
    return sorted(found, key=lambda figures: int(figures["rank"]))


def _fullest(run: RunConfig, ranks: list[dict[str, Any]]) -> tuple[int, int]:
    """Return peak and capacity where they are closest: of a GPU, or of a machine's ranks on a CPU.

    The ranks of one machine share its memory.
    """
    if run.devices.on_gpus:
        return _closest((int(one["peak_bytes"]), int(one["capacity_bytes"])) for one in ranks)
    return _closest(
        (
            sum(int(one["peak_bytes"]) for one in its),
            min(int(one["capacity_bytes"]) for one in its),
        )
        for its in _by_machine(ranks)
    )


def _closest(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    return max(pairs, key=lambda pair: pair[0] / max(pair[1], 1))


def _by_machine(ranks: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    machines: dict[str, list[dict[str, Any]]] = {}
    for one in ranks:
        machines.setdefault(str(one["host"]), []).append(one)
    return list(machines.values())


def _main_memory(ranks: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return what ranks on GPUs took of the main and of the shared memory, and what there was.

    Of each the machine where that is closest; nothing where it was not measured.
    """
    if any("host_peak_bytes" not in one for one in ranks):
        return []
    machines = _by_machine(ranks)
    main = (
        (
            sum(int(one["host_peak_bytes"]) - int(one["baseline_rss_bytes"]) for one in its),
            min(int(one["host_capacity_bytes"]) for one in its),
        )
        for its in machines
    )
    # All ranks see the use by all of them.
    shared = (
        (
            max(int(one["shared_memory_bytes"]) for one in its),
            max(int(one["shared_memory_capacity_bytes"]) for one in its),
        )
        for its in machines
    )
    return [_closest(main), *(pair for pair in [_closest(shared)] if pair[0])]


def _verdicts(run: RunConfig, ranks: list[dict[str, Any]]) -> list[Verdict]:
    """Return the verdict on each GPU, or on the CPU."""
    if not run.devices.on_gpus:
        return [judge(*_fullest(run, ranks))]
    return [
        judge(int(one["peak_bytes"]), int(one["capacity_bytes"]), one.get("least_bytes"))
        for one in ranks
    ]


def _judged(
    run: RunConfig, ranks: list[dict[str, Any]], done: int = 0, others_share: float | None = None
) -> DryRun:
    above = [int(figures["peak_bytes"]) - int(figures["baseline_rss_bytes"]) for figures in ranks]
    peak, capacity = _fullest(run, ranks)
    main = _main_memory(ranks)
    times = durations(run, ranks, done)
    curves = [figures.pop("lr_range", None) for figures in ranks]  # the same of every rank
    return DryRun(
        verdict=worst([*_verdicts(run, ranks), *(judge(*pair) for pair in main)]),
        device=_device_text(run),
        capacity_bytes=capacity,
        peak_bytes=peak,
        above_baseline_bytes=None if run.devices.on_gpus else sum(above),
        predicted_bytes=ranks[0].get("predicted_bytes"),
        ratio=peak / capacity if capacity > 0 else None,
        ranks=ranks,
        hosts=list(dict.fromkeys(str(figures["host"]) for figures in ranks)),
        address_space_bytes=_address_space(run),
        digest=run.digest,
        host_peak_bytes=main[0][0] if main else None,
        host_capacity_bytes=main[0][1] if main else None,
        lr_range=curves[0],
        step_seconds=times.step,
        epoch_seconds=times.epoch,
        validation_seconds=times.validation,
        run_seconds=times.run,
        epochs_done=done,
        others_share=others_share,
    )


def _address_space(run: RunConfig) -> int | None:
    return None if run.devices.on_gpus else address_space()


def _out_of_memory(run: RunConfig, capacities: list[int], failure: dict[str, Any]) -> DryRun:
    if not kind_named(failure["kind"]).ran_out_of_memory:
        raise TrainingFailedError(
            "\n".join([_("The dry run failed."), *failures.explain(failure, Path(run.output.dir))]),
        )
    return DryRun(
        verdict="does not fit",
        device=_device_text(run),
        capacity_bytes=min(capacities),
        reason=failure["error"],
        phase=failure.get("phase"),
        step=failure.get("step"),
        address_space_bytes=_address_space(run),
        digest=run.digest,
    )
