"""One optimizer step, and what has come of it.

The host only hands a GPU its work. To know a loss it would have to wait until the card has
computed it, and then the card would wait until the next step has been handed out. So the loss and
whether a rank was asked to stop travel in one exchange, and are read, with the norm of the
gradient, once the step after has been handed out (`reads_late`). What is not finite changes no
weights meanwhile: the optimizer passes over it, on the device. On a CPU all is there at once, and
is read at once.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from srwizard.models.tf32 import tf32
from srwizard.runs.failures import NonFiniteLossError
from srwizard.train import averaging
from srwizard.train.conservation import blocks_of
from srwizard.train.diagnosis import origin_of_non_finite
from srwizard.train.distributed import sum_over_ranks
from srwizard.train.order import Step
from srwizard.train.setup import Training
from srwizard.train.sharding import whole


@dataclass(frozen=True)
class Taken:
    """A step that was taken, or on a GPU handed out.

    Attributes:
        step: its plan.
        number: of the step, from 1 on.
        epoch: that it belongs to.
        figures: the loss summed over all samples, how many ranks were asked to stop, and the norm
            of the gradient (0 where it was not taken).
        arrived: on a GPU, when they have come to the main memory.
    """

    step: Step
    number: int
    epoch: int
    figures: Tensor
    arrived: torch.cuda.Event | None

    def read(self) -> tuple[float, bool, float]:
        """Return the mean loss over all samples, whether to stop, and the norm of the gradient."""
        if self.arrived is not None:
            self.arrived.synchronize()
        loss, asked, norm = (float(figure) for figure in self.figures)
        return loss / self.step.global_samples, asked > 0, norm


def optimizer_step(training: Training, step: Step, batches: Iterator[dict[str, Any]]) -> float:
    """Take one optimizer step over all micro-batches and ranks, and wait for its loss.

    Args:
        training: network and optimizer.
        step: the plan of the step.
        batches: an iterator that yields the step's micro-batches next.

    Returns:
        The mean loss over the samples of all ranks.

    Raises:
        NonFiniteLossError: it is NaN or infinite, on every rank alike.
    """
    loss, _stop = outcome(training, begin_step(training, step, batches))
    return loss


def begin_step(
    training: Training, step: Step, batches: Iterator[dict[str, Any]], *, stop: bool = False
) -> Taken:
    """Take an optimizer step; on a GPU, hand it out. Arguments as `optimizer_step`.

    Args:
        training, step, batches: see there.
        stop: whether this rank was asked to stop.

    Raises:
        NonFiniteLossError: as `optimizer_step`, unless the loss is read late.
    """
    total = torch.zeros((), dtype=torch.float64, device=training.place.device)
    # DDP and FSDP take the mean of the ranks' gradients; each rank's loss is made its share of the
    # mean over all samples, so that the step is that of one process with the whole batch.
    share = training.place.world / step.global_samples
    on_gpu = training.place.device.type == "cuda"
    training.optimizer.zero_grad(set_to_none=True)
    for number, _keys in enumerate(step.micro_batches, start=1):
        batch = next(batches)
        last = number == len(step.micro_batches)
        with gradients_kept_local(training, unless=last), tf32(allowed=on_gpu):
            with training.autocast():
                losses = training.objective(
                    batch["lr"], batch["hr"], batch["mask"], batch.get("area"), blocks_of(batch)
                )
            loss = (losses * batch["weight"].to(losses)).sum()
            training.scaler.scale(loss * share).backward()
        total += loss.detach().double()
    shared = sum_over_ranks(training.place, torch.stack([total, torch.full_like(total, stop)]))
    norm = clipped_norm(training)
    figures = torch.cat([shared, norm.to(shared).reshape(1)])
    late, progress = reads_late(training), training.progress
    taken = Taken(
        step,
        progress.steps + 1,
        progress.epoch,
        *(_on_its_way(figures) if late else (figures, None)),
    )
    if late:
        _let_pass_over(training, figures)
    else:
        _check(training, taken)
    training.scaler.step(training.optimizer)
    training.scaler.update()
    decay = training.run.training.ema_decay
    if training.averaged is not None and decay is not None:
        averaging.update(training.averaged, training.bare, decay, progress.steps)
    return taken


def outcome(training: Training, taken: Taken) -> tuple[float, bool]:
    """Return the mean loss of a step over the samples of all ranks, and whether to stop.

    Raises:
        NonFiniteLossError: the loss, or its gradient, is NaN or infinite, on every rank alike.
    """
    if reads_late(training):
        _check(training, taken)
    loss, stop, _norm = taken.read()
    return loss, stop


def reads_late(training: Training) -> bool:
    """Return whether figures are read a step later: on a GPU whose optimizer can pass over one.

    That is what torch's fused optimizers do. Sharded weights wait for each other all the time.
    """
    fused: bool = bool(training.optimizer.defaults.get("fused"))
    return fused and training.skeleton is None and training.place.device.type == "cuda"


def _on_its_way(figures: Tensor) -> tuple[Tensor, torch.cuda.Event]:
    """Begin to copy figures to page-locked main memory; return them, and when they are there."""
    copied = figures.to("cpu", non_blocking=True)
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record()
    return copied, arrived


def _let_pass_over(training: Training, figures: Tensor) -> None:
    """Let the optimizer change nothing if a figure is not finite; a scaler of losses sees to it."""
    if not training.scaler.is_enabled():
        optimizer: Any = training.optimizer
        optimizer.found_inf = (~figures.isfinite().all()).float()


def _check(training: Training, taken: Taken) -> None:
    loss, _stop, norm = taken.read()
    if not math.isfinite(loss):
        raise _non_finite(training, taken, loss, "loss")
    if not math.isfinite(norm) and not training.scaler.is_enabled():
        raise _non_finite(training, taken, norm, "gradient")


def check_scale(training: Training, steps: Sequence[Step]) -> None:
    """Refuse to go on where a scaler of losses has passed over step after step of an epoch.

    It halves its scale each time a gradient is not finite. Where that has nothing to do with the
    size of the loss, nothing would be learnt any more, and nobody would be told.

    Args:
        training: behind the epoch.
        steps: that were taken of it.

    Raises:
        NonFiniteLossError: the scale is below 1, on every rank alike.
    """
    if steps and training.scaler.is_enabled() and training.scaler.get_scale() < 1:
        progress = training.progress
        taken = Taken(steps[-1], progress.steps, progress.epoch, torch.zeros(3), None)
        raise _non_finite(training, taken, math.nan, "gradient")


def clipped_norm(training: Training) -> Tensor:
    """Scale the gradient down to the largest norm allowed; return its norm, 0 if any will do."""
    largest = training.run.training.clip_grad_norm
    if largest is None:
        return torch.zeros((), device=training.place.device)
    training.scaler.unscale_(training.optimizer)
    return whole(torch.nn.utils.clip_grad_norm_(training.bare.parameters(), largest))


def _non_finite(training: Training, taken: Taken, value: float, what: str) -> NonFiniteLossError:
    """Return the error of a loss or a gradient that is not finite, with where that began."""
    origin = origin_of_non_finite(training, taken.step)
    return NonFiniteLossError(value, taken.number, taken.epoch, what=what, origin=origin)


def gradients_kept_local(
    training: Training, *, unless: bool
) -> contextlib.AbstractContextManager[None]:
    """Keep DDP from exchanging gradients before the last micro-batch of a step.

    Where gradients are sharded, each micro-batch's are exchanged: kept local, they would be
    whole in every process, which is the memory that sharding saves.
    """
    if isinstance(training.objective, DistributedDataParallel) and not unless:
        return training.objective.no_sync()
    return contextlib.nullcontext()
