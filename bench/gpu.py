"""How well training uses a GPU: `python -m bench.gpu [MODEL ...] [--device cpu] [--write]`.

Each model is trained by the training core on a dataset on disk, and beside it by a plain loop: the
same network, loss, type and optimizer on a batch that lies on the card. Samples a second are
compared (goal: 0.9 of the plain loop's or more). Of the core's steps are told besides: the share of
time in which the card computes, kernels launched and synchronisations a step, the time in which a
step waits for its batch, and the peak as predicted and measured (goal: median 3 %, worst 10 %).

`--write` puts the table into docs/gpu-figures.md. On the CPU, networks are those of the tests.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from bench._runs import write_between
from srwizard.hardware.devices import find_devices
from srwizard.memory.measure import dry_run
from srwizard.models.catalog import cards
from srwizard.settings.run_config import RunConfig, RunGPU
from srwizard.train.conservation import blocks_of
from srwizard.train.dataset import verified
from srwizard.train.distributed import Place
from srwizard.train.loop import epoch_steps
from srwizard.train.order import Step
from srwizard.train.setup import Training, load_statistics, micro_batches_of, set_up
from srwizard.train.step import optimizer_step
from tests.configs import cpu_run, data_of, frozen
from tests.datasets import write_dataset
from tests.small_networks import SMALL

DOCUMENT = Path(__file__).parents[1] / "docs" / "gpu-figures.md"
HR_SHAPE, BATCH, STEPS, WARM_UP = (256, 512), 8, 12, 4
SMALL_HR_SHAPE, SMALL_BATCH = (32, 48), 2
LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernelEx")
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")


@dataclass(frozen=True)
class Used:
    """What was measured of one model; None where a CPU has nothing of the kind."""

    model: str
    samples_per_second: float
    plain_samples_per_second: float
    stall: float
    busy: float | None = None
    launches: float | None = None
    waits: float | None = None
    predicted_bytes: int | None = None
    measured_bytes: int | None = None

    @property
    def ratio(self) -> float:
        """Training core over plain loop."""
        return self.samples_per_second / self.plain_samples_per_second

    @property
    def error(self) -> float | None:
        """Predicted over measured peak, less one."""
        if not self.predicted_bytes or not self.measured_bytes:
            return None
        return self.predicted_bytes / self.measured_bytes - 1


class Waited:
    """An iterator that knows how long it was waited for."""

    def __init__(self, batches: Iterator[dict[str, Any]]) -> None:
        self.seconds = 0.0
        self._batches = batches

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        begun = time.perf_counter()
        try:
            return next(self._batches)
        finally:
            self.seconds += time.perf_counter() - begun


def made(work: Path, model: str, device: torch.device) -> tuple[RunConfig, Path]:
    """Freeze a run of a model on the device; return it and its directory."""
    on_card = device.type == "cuda"
    shape, batch = (HR_SHAPE, BATCH) if on_card else (SMALL_HR_SHAPE, SMALL_BATCH)
    root = work / "data"
    if not root.exists():
        steps = (batch * (WARM_UP + STEPS), batch, 1)
        write_dataset(root, steps=steps, hr_shape=shape, scale=4, variables=("temp", "salt"))
    run_dir = work / model
    run = cpu_run(
        data_of(root),
        run_dir,
        model,
        {} if on_card else SMALL[model],
        batch_size=batch,
        use_amp=on_card,
        num_workers=4 if on_card else 0,
    )
    if on_card:
        (gpu, *_others) = find_devices().gpus
        chosen = [RunGPU(index=gpu.index, uuid=gpu.uuid, name=gpu.name)]
        devices = run.devices.model_copy(update={"gpus": chosen, "backend": "nccl"})
        run = run.model_copy(update={"devices": devices})
    return frozen(run), run_dir


def measured(work: Path, model: str, device: torch.device, *, memory: bool = True) -> Used:
    """Train a model by the core and by a plain loop, and dry-run it; see the module.

    Args:
        work: a directory for dataset and run.
        model: name of a card.
        device: to train on.
        memory: whether to take the dry run, too.
    """
    run, run_dir = made(work, model, device)
    contents = verified(run).contents
    statistics_ = load_statistics(run, run_dir, contents)
    training = set_up(run, contents, statistics_, Place(0, 1, device))
    training.objective.train()
    plan = epoch_steps(training)
    batches = Waited(training.batches("train", micro_batches_of(plan)))
    for step in plan[:WARM_UP]:
        optimizer_step(training, step, batches)
    batches.seconds = 0.0
    timed = plan[WARM_UP : WARM_UP + STEPS]
    seconds = clocked(device, lambda: _all_of(training, timed, batches))
    busy, launches, waits = (
        profiled(training, plan[WARM_UP:], seconds / len(timed))
        if device.type == "cuda"
        else (None, None, None)
    )
    batch = next(training.batches("train", [plan[0].micro_batches[0]]))
    plain = plain_seconds(training, batch, device)
    found = dry_run(run_dir) if memory else None
    size = run.training.batch_size
    return Used(
        model,
        size * len(timed) / seconds,
        size / plain,
        batches.seconds / seconds,
        busy,
        launches,
        waits,
        None if found is None else found.predicted_bytes,
        None if found is None else found.peak_bytes,
    )


def _all_of(training: Training, steps: Sequence[Step], batches: Iterator[dict[str, Any]]) -> None:
    for step in steps:
        optimizer_step(training, step, batches)


def clocked(device: torch.device, work: Callable[[], None]) -> float:
    """Return the seconds that some work takes, until the device has done it."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def plain_seconds(training: Training, batch: dict[str, Any], device: torch.device) -> float:
    """Return the seconds of a step of a plain loop, once its state is there."""
    network: nn.Module = training.objective
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=1e-4, fused=True if device.type == "cuda" else None
    )

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with training.autocast():
            losses: Tensor = network(
                batch["lr"], batch["hr"], batch["mask"], batch.get("area"), blocks_of(batch)
            )
        losses.mean().backward()
        optimizer.step()

    for _time in range(WARM_UP):
        step()
    return clocked(device, lambda: [step() for _time in range(STEPS)] and None) / STEPS


def profiled(
    training: Training, steps: Sequence[Step], step_seconds: float
) -> tuple[float, float, float]:
    """Return the share of time in which the card computes, launches and waits of a step."""
    batches = training.batches("train", micro_batches_of(list(steps)))
    next_steps = list(steps)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        _all_of(training, next_steps, batches)
        torch.cuda.synchronize()
    events = found.key_averages()
    count = len(next_steps)
    computed = sum(event.self_device_time_total for event in events) / 1e6 / count

    def times(names: Sequence[str]) -> float:
        return sum(event.count for event in events if event.key in names) / count

    return computed / step_seconds, times(LAUNCHES), times(WAITS)


def table(models: Sequence[str], device: torch.device) -> Iterator[str]:
    """Return the lines of the table, and below it the errors of the predicted peaks."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU, networks of the tests"
    yield f"{name}, torch {torch.__version__}, {date.today()}."
    yield ""
    yield (
        "| model | samples/s | plain loop | ratio | card busy | launches | synchronisations "
        "| waits for batches | peak predicted / measured |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    errors = []
    for model in models:
        with tempfile.TemporaryDirectory(prefix="srwizard-bench-") as work:
            used = measured(Path(work), model, device)
        errors += [] if used.error is None else [abs(used.error)]
        yield (
            f"| {model} | {used.samples_per_second:.1f} | {used.plain_samples_per_second:.1f} "
            f"| {used.ratio:.2f} | {_percent(used.busy)} | {_number(used.launches)} "
            f"| {_number(used.waits)} | {_percent(used.stall)} | {_percent(used.error, sign='+')} |"
        )
    if errors:
        yield ""
        yield (
            f"Predicted peaks are off by {100 * statistics.median(errors):.1f} % in the median, "
            f"{100 * max(errors):.1f} % at worst."
        )


def _percent(share: float | None, sign: str = "") -> str:
    return "-" if share is None else f"{100 * share:{sign}.1f} %"


def _number(count: float | None) -> str:
    return "-" if count is None else f"{count:.0f}"


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or say that there is no GPU."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="these only")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("torch sees no CUDA GPU on this machine: nothing was measured.")
        return
    device = torch.device("cuda", 0) if options.device == "cuda" else torch.device("cpu")
    lines = []
    for line in table(options.models or tuple(cards()), device):
        print(line, flush=True)
        lines.append(line)
    if options.write:
        write_between(DOCUMENT, lines)


if __name__ == "__main__":
    main(sys.argv[1:])
