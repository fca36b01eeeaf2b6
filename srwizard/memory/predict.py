"""The peak memory of a run, computed without allocating: no GPU and no dataset is needed.

The training core itself runs on fake tensors (see `imitation`); what they would hold is counted.
This module imports torch only to predict. The wizard, which never does, calls it in a process of
its own:

    python -m srwizard.memory.predict RUN [--gpu GPU] [--batch-sizes 1,2,4] [--json]

RUN is a run directory or a run.yaml, GPU a name of the catalogue or a size such as 24GiB.
With --json, one object is printed, all sizes in bytes:

    {"device": "cpu" | "cuda",     what it was predicted for
     "processes": 1,
     "parameters": 1517571,        of the network
     "peak_bytes": ...,            CPU: of all processes together; CUDA: of one GPU; as dry_run.json
     "rank_bytes": ...,            of one process
     "fixed_bytes": {...},         the part of rank_bytes that is not tensors, by what it is
     "phases": {"step" | "validation" | "checkpoint":
         {"tensor_bytes": ...,     live tensors at the peak of this phase
          "kernel_bytes": ...,     what the kernel held beside them then
          "reserved_bytes": ...,   CUDA: what the caching allocator has taken; CPU: their sum
          "operator": "aten..."}}, where the peak was
     "seconds": 1.2,               that the prediction took
     "capacity_bytes": ... | null, of --gpu
     "verdict": "fits" | "tight" | "does not fit" | null,
     "batches": {"1": ..., ...}}   peak_bytes by batch size, empty without --batch-sizes

Exit codes as everywhere: 0, or 2 with one line on standard error.
"""

import argparse
import functools
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from srwizard import runconfig
from srwizard.errors import SrwizardError
from srwizard.i18n import translate as _
from srwizard.memory.gpu_catalog import capacity
from srwizard.memory.verdict import judge
from srwizard.runconfig import RunConfig, RunGPU
from srwizard.train import processes
from srwizard.units import bytes_text

if TYPE_CHECKING:
    from srwizard.memory.imitation import Imitation

MIB = 2**20
PHASES = ("step", "validation", "checkpoint")

BASELINE = 257 * MIB
"""Resident set of a training process once Python, NumPy and torch (2.13, CPU build) are imported.
The command measures it instead."""
LAZY_IMPORTS = 75 * MIB
"""torch.optim brings in torch._dynamo and with it sympy, 800 modules, when AdamW is made."""
LIBRARY_PAGES = 30 * MIB
"""Pages of libtorch that are read in when their kernels first run (25 MiB), and the code that
oneDNN generates."""
LOADER_PROCESS = 11 * MIB
"""What a loader process has for itself: the pages that it writes to after it was forked."""
CUDA_CONTEXT = 450 * MIB
"""The driver's context with the code of torch's kernels: 300 to 600 MiB, depending on the GPU;
see the NVML figure less the reserved one in any dry run."""
CUBLAS_WORKSPACE = 32 * MIB
"""cuBLAS: 32 MiB for each handle from Hopper on, 8 MiB before (PyTorch, `CUBLAS_WORKSPACE_CONFIG`).
It comes from the caching allocator and stays."""
CUDNN_WORKSPACE = 64 * MIB
"""An allowance: cuDNN chooses its algorithm by what is free; heuristics rarely ask for more."""
LINE_AGREEMENT = 0.02
"""By how much, at most, a third batch size may be off the line through two others."""


@dataclass(frozen=True)
class Phase:
    """The peak of one phase in one process, in bytes; see the module's text."""

    tensor_bytes: int
    kernel_bytes: int
    reserved_bytes: int
    operator: str


@dataclass(frozen=True)
class Prediction:
    """What a run will need, in bytes; see the module's text."""

    device: Literal["cpu", "cuda"]
    processes: int
    parameters: int
    peak_bytes: int
    rank_bytes: int
    fixed_bytes: dict[str, int]
    phases: dict[str, Phase]
    seconds: float

    @property
    def tensor_bytes(self) -> int:
        """Live tensors at the highest peak of one process."""
        return max(phase.tensor_bytes for phase in self.phases.values())


def predict(run: RunConfig, *, baseline_bytes: int = BASELINE) -> Prediction:
    """Predict the peak memory of a run.

    Args:
        run: a run config, sealed or not; its dataset is not opened.
        baseline_bytes: on a CPU, the resident set of a process that has only imported torch.

    Raises:
        UsageError: the network cannot be built with these parameters.
    """
    from srwizard.memory.imitation import Imitation
    from srwizard.memory.kernels import cpu_scratch, cuda_scratch
    from srwizard.memory.tracker import StorageTracker

    started = time.perf_counter()
    on_gpu = bool(run.devices.gpus)
    scratch = cuda_scratch if on_gpu else functools.partial(cpu_scratch, threads=_threads(run))
    tracker = StorageTracker(scratch)
    peaks, ends = [], []
    with Imitation(run, tracker) as imitation:
        for work in (imitation.train, imitation.validate, imitation.save):
            tracker.forget_peak()
            work()
            peaks.append(tracker.peak)
            ends.append(len(tracker.events))
        parameters = sum(part.numel() for part in imitation.training.bare.parameters())
        fixed = _cuda_fixed() if on_gpu else _cpu_fixed(run, baseline_bytes, imitation)
    events = [(event.storage, event.size) for event in tracker.events]
    reserved = _reserved(events, ends) if on_gpu else [peak.total_bytes for peak in peaks]
    phases = {
        name: Phase(peak.live_bytes, peak.scratch_bytes, held, peak.operator)
        for name, peak, held in zip(PHASES, peaks, reserved, strict=True)
    }
    rank_bytes = sum(fixed.values()) + max(reserved)
    return Prediction(
        device="cuda" if on_gpu else "cpu",
        processes=run.devices.processes,
        parameters=parameters,
        peak_bytes=rank_bytes if on_gpu else rank_bytes * run.devices.processes,
        rank_bytes=rank_bytes,
        fixed_bytes=fixed,
        phases=phases,
        seconds=time.perf_counter() - started,
    )


def predict_batches(
    run: RunConfig, sizes: Iterable[int], *, baseline_bytes: int = BASELINE
) -> dict[int, int]:
    """Return the predicted `peak_bytes` by batch size.

    Memory is linear in the batch: the smallest and the largest size give the line, one in the
    middle checks it. Where it disagrees, every size is predicted by itself.
    """
    wanted = sorted(set(sizes))

    def peak(size: int) -> int:
        return predict(with_batch_size(run, size), baseline_bytes=baseline_bytes).peak_bytes

    if len(wanted) <= 3:
        return {size: peak(size) for size in wanted}
    low, middle, high = wanted[0], wanted[len(wanted) // 2], wanted[-1]
    known = {size: peak(size) for size in (low, middle, high)}
    slope = (known[high] - known[low]) / (high - low)
    line = {size: round(known[low] + slope * (size - low)) for size in wanted} | known
    if abs(known[low] + slope * (middle - low) - known[middle]) <= LINE_AGREEMENT * known[middle]:
        return line
    return {size: known[size] if size in known else peak(size) for size in wanted}


def with_batch_size(run: RunConfig, size: int) -> RunConfig:
    """Return a run that differs in its batch size alone."""
    training = run.training.model_copy(update={"batch_size": size})
    return run.model_copy(update={"training": training})


def on_gpu(run: RunConfig, name: str) -> RunConfig:
    """Return a run on as many GPUs as it has processes, which need not be there."""
    gpus = [
        RunGPU(index=index, uuid=f"imagined-{index}", name=name)
        for index in range(run.devices.processes)
    ]
    devices = run.devices.model_copy(update={"gpus": gpus, "backend": "nccl"})
    return run.model_copy(update={"devices": devices})


def _threads(run: RunConfig) -> int:
    """Return the threads of one process, as they are set when it is started."""
    return int(processes.settings(run)["OMP_NUM_THREADS"])


def _cpu_fixed(run: RunConfig, baseline: int, imitation: "Imitation") -> dict[str, int]:
    return {
        "baseline": baseline,
        "lazy_imports": LAZY_IMPORTS,
        "library_pages": LIBRARY_PAGES,
        "loader_processes": LOADER_PROCESS * (run.training.num_workers or 0),
        "statistics": imitation.host_bytes(),
    }


def _cuda_fixed() -> dict[str, int]:
    return {
        "context": CUDA_CONTEXT,
        "cublas_workspace": CUBLAS_WORKSPACE,
        "cudnn_workspace": CUDNN_WORKSPACE,
    }


def _reserved(events: list[tuple[int, int]], ends: list[int]) -> list[int]:
    """Return what the caching allocator has reserved at the end of each phase, never less."""
    from srwizard.memory.allocator import CachingAllocator

    allocator = CachingAllocator()
    reserved = []
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        allocator.replay(events[begin:end])
        reserved.append(allocator.reserved_bytes)
    return reserved


def main(arguments: list[str] | None = None) -> int:
    """Run the command; see the module's text.

    Raises:
        SrwizardError: there is no such run or GPU, or the dataset cannot be read.
    """
    options = _options(arguments)
    report = _report(options)
    print(json.dumps(report) if options.json else _text(report))
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m srwizard.memory.predict")
    parser.add_argument("run", type=Path)
    parser.add_argument("--gpu")
    parser.add_argument("--batch-sizes", default="")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _report(options: argparse.Namespace) -> dict[str, Any]:
    path: Path = options.run
    run = runconfig.load(path.parent if path.name == runconfig.FILE_NAME else path)
    limit = capacity(options.gpu) if options.gpu else None
    if options.gpu:
        run = on_gpu(run, options.gpu)
    sizes = [int(size) for size in options.batch_sizes.split(",") if size]
    baseline = _measured_baseline()
    prediction = predict(run, baseline_bytes=baseline)
    return {
        **asdict(prediction),
        "capacity_bytes": limit,
        "verdict": None if limit is None else judge(prediction.peak_bytes, limit),
        "batches": predict_batches(run, sizes, baseline_bytes=baseline),
    }


def _measured_baseline() -> int:
    """Return the resident set of this process with what a training process imports, and no more."""
    import psutil

    import srwizard.memory.rehearsal  # noqa: F401

    return int(psutil.Process().memory_info().rss)


def _text(report: dict[str, Any]) -> str:
    lines = [_("Predicted peak: {peak}", peak=bytes_text(report["peak_bytes"]))]
    if report["verdict"] is not None:
        lines.append(_("Of {capacity}", capacity=bytes_text(report["capacity_bytes"])))
    lines += [
        _("Batch size {size}: {peak}", size=size, peak=bytes_text(peak))
        for size, peak in report["batches"].items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SrwizardError as error:
        print(error.message, *([error.hint] if error.hint else []), sep="\n", file=sys.stderr)
        sys.exit(error.exit_code)
