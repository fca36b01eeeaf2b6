"""The peak memory of a run, computed without allocating: no GPU and no dataset is needed.

The training core itself runs on fake tensors (see `imitation`); what they would hold is counted.
This module imports torch only to predict. The wizard, which never does, has a process of its own
do it (see `forecast`); `srwizard estimate` prints one (see `srwizard.memory.estimate`).
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from srwizard.base.errors import SrwizardError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.memory.allocator import CUDA_CONTEXT
from srwizard.memory.fit import LINE_AGREEMENT
from srwizard.memory.resident import BASELINE, MIB, of_process
from srwizard.settings.run_config import RunConfig, RunGPU
from srwizard.train.process_environment import freed_block, segments_expand, settings

if TYPE_CHECKING:
    from srwizard.memory.tracker import Event

PHASES = ("step", "validation", "checkpoint")

CUBLAS_WORKSPACE = 32 * MIB
"""cuBLAS: 32 MiB for each handle and stream from Hopper on, 8 MiB before (PyTorch,
`CUBLAS_WORKSPACE_CONFIG`). It comes from the caching allocator and stays."""
CUDNN_WORKSPACE = 64 * MIB
"""An allowance: cuDNN chooses its algorithm by what is free; heuristics rarely ask for more."""
NCCL_BUFFERS = 320 * MIB
"""An allowance: NCCL keeps buffers of 4 MiB (`NCCL_BUFFSIZE`) and smaller ones for each channel and
neighbour, outside of torch's allocator; with 16 to 32 channels 200 to 400 MiB."""
STREAMS = {False: 1, True: 2}
"""That products run in: with sharded weights, those of the copies as well."""


@dataclass(frozen=True)
class Phase:
    """The peak of one phase in one process, in bytes.

    Attributes:
        tensor_bytes: live tensors at the peak of this phase.
        kernel_bytes: what the kernel held beside them then.
        reserved_bytes: CUDA: what the caching allocator has taken; CPU: the sum of both.
        operator: where the peak was.
    """

    tensor_bytes: int
    kernel_bytes: int
    reserved_bytes: int
    operator: str


@dataclass(frozen=True)
class Prediction:
    """What a run will need, in bytes.

    Attributes:
        parameters: of the network.
        peak_bytes: CPU: of all processes together; CUDA: of one GPU; as in dry_run.json.
        rank_bytes: of one process.
        fixed_bytes: the part of `rank_bytes` that is not tensors, by what it is.
        phases: "step", "validation", "checkpoint".
        seconds: that the prediction took.
        step_cost: of an optimizer step, to compare runs with each other (see `cost`).
        operators: how many were gone through, which is what the prediction's time goes into.
    """

    device: Literal["cpu", "cuda"]
    processes: int
    parameters: int
    peak_bytes: int
    rank_bytes: int
    fixed_bytes: dict[str, int]
    phases: dict[str, Phase]
    seconds: float
    step_cost: float
    operators: int

    @property
    def least_bytes(self) -> int:
        """What is needed at least: on a GPU without what the allocator could give back."""
        if self.device == "cpu":
            return self.peak_bytes
        needed = max(phase.tensor_bytes + phase.kernel_bytes for phase in self.phases.values())
        return sum(self.fixed_bytes.values()) + needed

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
        UsageError: the network cannot be built, or cannot compute on this data.
    """
    try:
        return _predict(run, baseline_bytes)
    except SrwizardError:
        raise
    except Exception as error:  # whatever a network raises, a third party's too
        raise UsageError(
            _(
                "{model} cannot be built, or cannot compute on this data: {error}",
                model=run.model.name,
                error=f"{type(error).__name__}: {error}".splitlines()[0],
            ),
            _("Change model.params, or choose another model."),
        ) from error


def _predict(run: RunConfig, baseline_bytes: int) -> Prediction:
    from srwizard.memory.cost import GPU, Cost, cpu_machine
    from srwizard.memory.imitation import Imitation
    from srwizard.memory.kernels import (
        Product,
        cpu_scratch,
        cuda_scratch,
        generated,
        noting_products,
    )
    from srwizard.memory.tracker import Scratch, StorageTracker

    started = time.perf_counter()
    computes_on_gpus = run.devices.on_gpus
    products: set[Product] = set()
    scratch: Scratch = cuda_scratch
    if not computes_on_gpus:
        scratch = noting_products(partial(cpu_scratch, threads=_threads(run)), products)
    cost = Cost(GPU if computes_on_gpus else cpu_machine()).add
    if run.sharded:
        from srwizard.memory.sharded import SharedOutTracker

        tracker: StorageTracker = SharedOutTracker(scratch, cost)
    else:
        tracker = StorageTracker(scratch, cost)
    peaks, ends, costs = [], [], []
    with Imitation(run, tracker) as imitation:
        for work in (imitation.train, imitation.validate, imitation.save):
            tracker.forget_peak()
            tracker.cost = 0.0
            work()
            peaks.append(tracker.peak)
            costs.append(tracker.cost)
            ends.append(len(tracker.events))
        parameters = sum(part.numel() for part in imitation.training.bare.parameters())
    if computes_on_gpus:
        fixed = of_gpu(world_size=run.devices.world_size, sharded=run.sharded)
        reserved = reserved_bytes(tracker.events, ends)
    else:
        fixed = of_process(
            baseline_bytes,
            compiler=run.sharded,
            loaders=run.training.num_workers or 0,
            products=len(products),
            generated=generated(products),
            events=tracker.events,
            lasting=ends[0],
            freed_block=freed_block(run),
            statistics=imitation.host_bytes(),
        )
        reserved = [peak.total_bytes for peak in peaks]
    phases = {
        name: Phase(peak.live_bytes, peak.scratch_bytes, held, peak.operator)
        for name, peak, held in zip(PHASES, peaks, reserved, strict=True)
    }
    rank_bytes = sum(fixed.values()) + max(reserved)
    return Prediction(
        device="cuda" if computes_on_gpus else "cpu",
        processes=run.devices.processes,
        parameters=parameters,
        peak_bytes=rank_bytes if computes_on_gpus else rank_bytes * run.devices.processes,
        rank_bytes=rank_bytes,
        fixed_bytes=fixed,
        phases=phases,
        seconds=time.perf_counter() - started,
        step_cost=costs[0] + _exchange_cost(run, parameters),
        operators=tracker.operators,
    )


def _exchange_cost(run: RunConfig, parameters: int) -> float:
    from srwizard.memory.cost import SHARDED_ROUNDS, exchange_seconds

    world = run.devices.world_size
    if not run.sharded:
        return exchange_seconds(parameters, world)
    rounds = SHARDED_ROUNDS * run.training.grad_accumulation
    return exchange_seconds(parameters, world, rounds=rounds)


def predict_batches(
    run: RunConfig, sizes: Iterable[int], *, baseline_bytes: int = BASELINE
) -> dict[int, tuple[int, int]]:
    """Return the predicted `peak_bytes` and `least_bytes` by batch size.

    Memory is linear in the batch: the smallest and the largest size give the line, one in the
    middle checks it. Where it disagrees, every size is predicted by itself.
    """
    wanted = sorted(set(sizes))

    def predicted(size: int) -> tuple[int, int]:
        found = predict(with_batch_size(run, size), baseline_bytes=baseline_bytes)
        return found.peak_bytes, found.least_bytes

    if len(wanted) <= 3:
        return {size: predicted(size) for size in wanted}
    low, middle, high = wanted[0], wanted[len(wanted) // 2], wanted[-1]
    known = {size: predicted(size) for size in (low, middle, high)}

    def on_line(size: int) -> tuple[int, int]:
        share = (size - low) / (high - low)
        peak, least = (
            round(first + share * (last - first))
            for first, last in zip(known[low], known[high], strict=True)
        )
        return peak, least

    if abs(on_line(middle)[0] - known[middle][0]) <= LINE_AGREEMENT * known[middle][0]:
        return {size: on_line(size) for size in wanted} | known
    return {size: known[size] if size in known else predicted(size) for size in wanted}


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
    return int(settings(run)["OMP_NUM_THREADS"])


def of_gpu(*, world_size: int = 1, sharded: bool = False) -> dict[str, int]:
    """Return the bytes that a process keeps on a GPU beside tensors, by what they are."""
    return {
        "context": CUDA_CONTEXT,
        "cublas_workspace": CUBLAS_WORKSPACE * STREAMS[sharded],
        "cudnn_workspace": CUDNN_WORKSPACE,
        "nccl_buffers": NCCL_BUFFERS if world_size > 1 else 0,
    }


def reserved_bytes(events: Sequence["Event"], ends: Sequence[int]) -> list[int]:
    """Return what the caching allocator has reserved at the end of each phase, never less."""
    from srwizard.memory.allocator import CachingAllocator

    allocator = CachingAllocator(expandable=segments_expand())
    reserved = []
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        allocator.replay((event.storage, event.size) for event in events[begin:end])
        reserved.append(allocator.reserved_bytes)
    return reserved
