"""The training loop, read from top to bottom.

`optimizer_step` is also what the dry run measures.
"""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from srwizard.models.tf32 import tf32
from srwizard.runs.failures import NonFiniteLossError
from srwizard.runs.overfitting import overfitting_since
from srwizard.runs.progress import Progress
from srwizard.runs.records import Records, measured
from srwizard.settings.training import FrozenTraining
from srwizard.train import averaging
from srwizard.train.calibration import calibrate
from srwizard.train.checkpoint import BEST, LAST
from srwizard.train.conservation import blocks_of
from srwizard.train.diagnosis import origin_of_non_finite
from srwizard.train.distributed import add_over_ranks, any_rank
from srwizard.train.order import Step, training_steps
from srwizard.train.peak import peak_bytes
from srwizard.train.resuming import finish_saving, save
from srwizard.train.scoring import score
from srwizard.train.setup import Training, set_learning_rate, steps_per_epoch
from srwizard.train.sharding import whole


@dataclass
class Callbacks:
    """What the loop tells whom: the screen, and whether somebody wants it to stop."""

    on_step: Callable[[Training, float, int], None] = lambda _training, _loss, _samples: None
    on_phase: Callable[[Training, str], None] = lambda _training, _phase: None
    on_epoch: Callable[[dict[str, Any]], None] = lambda _event: None
    stop_requested: Callable[[], bool] = lambda: False


def train(training: Training, run_dir: Path, records: Records, callbacks: Callbacks) -> bool:
    """Train until the last epoch, early stopping, or a request to stop.

    Args:
        training: all parts, standing where `training.progress` says.
        run_dir: checkpoints are written there by rank 0.
        records: metrics are written there by rank 0.
        callbacks: screen and stop requests.

    Returns:
        True when training is complete, False when it was asked to stop (checkpoint saved).

    Raises:
        NonFiniteLossError: the loss is NaN or infinite.
    """
    try:
        complete = _train(training, run_dir, records, callbacks)
    except NonFiniteLossError:  # raised on every rank alike
        finish_saving(training)
        raise
    finish_saving(training)
    return complete


def _train(training: Training, run_dir: Path, records: Records, callbacks: Callbacks) -> bool:
    run, place, progress = training.run, training.place, training.progress
    history = measured(run_dir).epochs if place.is_first else []
    if progress.steps == 0:
        calibrate(training)
        if run.model.skip is not None:
            # What the run starts from is a candidate, too: it never ends worse on validation.
            callbacks.on_phase(training, "validation")
            _note_start(training, run_dir, records)
    while progress.epoch <= run.training.epochs and not patience_exhausted(training):
        callbacks.on_phase(training, "training")
        started = time.perf_counter()
        steps = epoch_steps(training)
        batches = training.batches("train", steps_per_epoch(steps))
        training.objective.train()
        for step in steps:
            set_learning_rate(training)
            loss = optimizer_step(training, step, batches)
            progress.steps += 1
            progress.samples_in_epoch += step.global_samples
            progress.loss_sum += loss * step.global_samples
            callbacks.on_step(training, loss, step.global_samples)
            if any_rank(place, callbacks.stop_requested()):
                callbacks.on_phase(training, "checkpoint")
                save(training, run_dir, LAST)
                return False
        seconds = time.perf_counter() - started
        event = {
            "event": "epoch",
            "epoch": progress.epoch,
            "step": progress.steps,
            "train_loss": progress.loss_sum / progress.samples_in_epoch,
            "lr": training.optimizer.param_groups[0]["lr"],
            "seconds": seconds,
            "samples_per_second": sum(step.global_samples for step in steps) / seconds,
            "valid": None,
        }
        better = False
        if progress.epoch % run.training.eval_freq == 0 or progress.epoch == run.training.epochs:
            callbacks.on_phase(training, "validation")
            valid = score(training, "valid")
            if not math.isfinite(valid.loss):  # the last step has spoilt the weights
                raise NonFiniteLossError(valid.loss, progress.steps, progress.epoch)
            event["valid"] = asdict(valid)
            better = note_validation(progress, valid.error(training.span.cpu()))
            note_plateau(progress, run.training, better=better)
        event["peak_memory_bytes"] = peak_bytes(place)
        progress.epoch += 1
        progress.samples_in_epoch, progress.loss_sum = 0, 0.0
        # First the record, then the checkpoint: on resume, records behind it are dropped.
        callbacks.on_phase(training, "checkpoint")
        if place.is_first:
            history.append(event)
            event["overfitting_since"] = overfitting_since(history)
            records.append(event)
        if better:
            save(training, run_dir, BEST)
        save(training, run_dir, LAST)
        callbacks.on_epoch(event)
    return True


def _note_start(training: Training, run_dir: Path, records: Records) -> None:
    """Score the untrained network, and keep it as the best so far."""
    valid = score(training, "valid")
    if note_validation(training.progress, valid.error(training.span.cpu()), epoch=0):
        save(training, run_dir, BEST)
    if training.place.is_first:
        records.append({"event": "start", "epoch": 0, "valid": asdict(valid)})


def epoch_steps(training: Training) -> list[Step]:
    """Return this rank's optimizer steps of the epoch that training stands in, from there on."""
    run = training.run
    return training_steps(
        len(training.splits["train"]),
        epoch=training.progress.epoch,
        seed=run.training.seed,
        batch_size=run.training.batch_size,
        accumulation=run.training.grad_accumulation,
        world=training.place.world,
        rank=training.place.rank,
        done=training.progress.samples_in_epoch,
    )


def optimizer_step(training: Training, step: Step, batches: Any) -> float:
    """Take one optimizer step over all micro-batches and ranks.

    Args:
        training: network and optimizer.
        step: the plan of the step.
        batches: an iterator that yields the step's micro-batches next.

    Returns:
        The mean loss over the samples of all ranks.

    Raises:
        NonFiniteLossError: it is NaN or infinite, on every rank alike.
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
    mean = float(add_over_ranks(training.place, total)) / step.global_samples
    if not math.isfinite(mean):
        raise non_finite(training, step, mean, "loss")
    norm = clip_gradients(training)
    if norm is not None and not math.isfinite(norm) and not training.scaler.is_enabled():
        raise non_finite(training, step, norm, "gradient")
    training.scaler.step(training.optimizer)
    training.scaler.update()
    settings = training.run.training
    if training.averaged is not None and settings.ema_decay is not None:
        averaging.update(
            training.averaged, training.bare, settings.ema_decay, training.progress.steps
        )
    return mean


def clip_gradients(training: Training) -> float | None:
    """Scale the gradient down to the largest norm allowed; return its norm, None if any will do."""
    largest = training.run.training.clip_grad_norm
    if largest is None:
        return None
    training.scaler.unscale_(training.optimizer)
    return float(whole(torch.nn.utils.clip_grad_norm_(training.bare.parameters(), largest)))


def non_finite(training: Training, step: Step, value: float, what: str) -> NonFiniteLossError:
    """Return the error of a loss or a gradient that is not finite, with where that began."""
    origin = origin_of_non_finite(training, step)
    return NonFiniteLossError(
        value, training.progress.steps + 1, training.progress.epoch, what=what, origin=origin
    )


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


def note_validation(progress: Progress, error: float, epoch: int | None = None) -> bool:
    """Note a validation; return whether it is the best so far. NaN, no value to measure, is not.

    Args:
        progress: changed in place.
        error: what was measured.
        epoch: that was measured, if not the one that training stands in.
    """
    best = math.inf if progress.best_error is None else progress.best_error
    better = error < best
    if better:
        progress.best_error = error
        progress.best_epoch = progress.epoch if epoch is None else epoch
        progress.validations_without_better = 0
    else:
        progress.validations_without_better += 1
    return better


def note_plateau(progress: Progress, settings: FrozenTraining, *, better: bool) -> None:
    """Count the validations without a better one since the learning rate was last reduced."""
    progress.validations_since_reduction += 1
    if better:
        progress.validations_since_reduction = 0
    elif progress.validations_since_reduction >= settings.plateau_patience:
        progress.validations_since_reduction = 0
        progress.reductions += 1


def patience_exhausted(training: Training) -> bool:
    """Tell whether early stopping ends the training."""
    patience = training.run.training.patience
    return patience is not None and training.progress.validations_without_better >= patience
