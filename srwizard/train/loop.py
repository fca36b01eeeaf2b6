"""The training loop, read from top to bottom.

A step stands in `step`, which is also what the dry run measures.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.runs.failures import NonFiniteLossError
from srwizard.runs.overfitting import overfitting_since
from srwizard.runs.progress import Progress, epoch_of, is_out_of_patience, note_validation
from srwizard.runs.records import Records, measured
from srwizard.settings.training import FrozenTraining
from srwizard.train.checkpoint import BEST, LAST
from srwizard.train.diagnosis import spoilt_weight
from srwizard.train.distributed import any_rank
from srwizard.train.order import Step, training_steps
from srwizard.train.peak import peak_bytes
from srwizard.train.residual_scale import calibrate
from srwizard.train.saving import finish_saving, let_writing_end, save
from srwizard.train.scoring import StoppedError, score
from srwizard.train.setup import Training, micro_batches_of, set_learning_rate
from srwizard.train.step import Taken, begin_step, check_scale, outcome, reads_late

LAST_EVERY_SECONDS = 30.0
"""So much, and the epoch that it is in, is lost of a training that is killed; one that is asked to
stop loses nothing. After each of many short epochs, writing would take longer than training."""


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
        True when training is complete, False when it was asked to stop: the checkpoint is saved,
        unless that was before the first step.

    Raises:
        NonFiniteLossError: the loss, or a weight, is NaN or infinite.
    """
    try:
        complete = _train(training, run_dir, records, callbacks)
    except NonFiniteLossError:  # raised on every rank alike
        finish_saving(training)
        raise
    except Exception:
        let_writing_end(training)
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
            try:
                _note_start(training, run_dir, records, callbacks)
            except StoppedError:  # there is nothing to save
                return False
    following: Iterator[dict[str, Any]] | None = None
    saved: float | None = None
    while progress.epoch <= run.training.epochs and not patience_exhausted(training):
        callbacks.on_phase(training, "training")
        started = time.perf_counter()
        steps = epoch_steps(training)
        batches = following or training.batches("train", micro_batches_of(steps))
        following = None
        training.objective.train()
        if _went_through(training, steps, batches, callbacks):
            return _stop_here(training, run_dir, callbacks, time.perf_counter() - started)
        check_scale(training, steps)
        seconds = time.perf_counter() - started
        event = {
            "event": "epoch",
            "epoch": progress.epoch,
            "step": progress.steps,
            "train_loss": progress.loss_sum / progress.samples_in_epoch,
            "lr": training.optimizer.param_groups[0]["lr"],
            "seconds": progress.seconds_in_epoch + seconds,
            # None where all of the epoch was behind the checkpoint that this process began with.
            "samples_per_second": sum(step.global_samples for step in steps) / seconds
            if steps
            else None,
            "valid": None,
        }
        if fetches_early(training) and progress.epoch < run.training.epochs:
            ahead = epoch_steps(training, epoch=progress.epoch + 1)
            following = training.batches("train", micro_batches_of(ahead))
        better = False
        if progress.epoch % run.training.eval_freq == 0 or progress.epoch == run.training.epochs:
            callbacks.on_phase(training, "validation")
            try:
                valid = score(training, "valid", stop_requested=callbacks.stop_requested)
            except StoppedError:
                return _stop_here(training, run_dir, callbacks, seconds)
            if not math.isfinite(valid.loss):  # the last step has spoilt the weights
                raise NonFiniteLossError(valid.loss, progress.steps, progress.epoch)
            error = valid.error(training.span.cpu())
            event["valid"] = asdict(valid) | {"error": error}
            better = note_validation(progress, error)
            if not math.isnan(error):
                note_plateau(progress, run.training, better=better)
        event["peak_memory_bytes"] = peak_bytes(place)
        callbacks.on_phase(training, "checkpoint")
        progress.epoch += 1
        progress.samples_in_epoch, progress.loss_sum, progress.seconds_in_epoch = 0, 0.0, 0.0
        # First the record, then the checkpoint: on resume, records behind it are dropped.
        if place.is_first:
            history.append(event)
            event["overfitting_since"] = overfitting_since(history)
            records.append(event)
        saved = _saved_after_epoch(training, run_dir, saved, better=better)
        callbacks.on_epoch(event)
    return True


def _stop_here(training: Training, run_dir: Path, callbacks: Callbacks, seconds: float) -> bool:
    """Save where training stands, amidst an epoch or behind its last step; return False.

    Args:
        training, run_dir, callbacks: as `train`.
        seconds: that this process has trained in the epoch.
    """
    callbacks.on_phase(training, "checkpoint")
    training.progress.seconds_in_epoch += seconds
    _save_sound(training, run_dir, LAST)
    return False


def _save_sound(training: Training, run_dir: Path, *names: str) -> None:
    """Write checkpoints (see `save`), unless no training could go on from them.

    The loss of a step was computed before the step changed the weights: one that has spoilt them
    is noticed in the next step, or by a validation, or here.

    Raises:
        NonFiniteLossError: a weight is NaN or infinite; the earlier checkpoints are left as they
            are.
    """
    spoilt, progress = spoilt_weight(training), training.progress
    if spoilt:
        raise NonFiniteLossError(
            math.nan,
            progress.steps,
            epoch_of(progress),
            what="weight",
            origin=_("it belongs to layer {layer}", layer=spoilt),
        )
    save(training, run_dir, *names)


def _saved_after_epoch(
    training: Training, run_dir: Path, saved: float | None, *, better: bool
) -> float | None:
    """Write the checkpoints that are due; return when that was done last.

    Args:
        training: where it stands, behind the epoch.
        run_dir: the run directory.
        saved: when the last checkpoint was written before, None: never in this process.
        better: whether this is the best validation so far; then the last checkpoint, which tells
            of it, comes at no cost: it is the same file.
    """
    ended = training.progress.epoch > training.run.training.epochs or patience_exhausted(training)
    due = saved is None or time.monotonic() - saved >= LAST_EVERY_SECONDS
    if better and not ended:
        _save_sound(training, run_dir, BEST, LAST)
    elif better:  # what the training has come to lies there twice
        _save_sound(training, run_dir, BEST)
        save(training, run_dir, LAST)
    elif ended or any_rank(training.place, due):
        _save_sound(training, run_dir, LAST)
    else:
        return saved
    return time.monotonic()


def _went_through(
    training: Training, steps: list[Step], batches: Iterator[dict[str, Any]], callbacks: Callbacks
) -> bool:
    """Take steps until the last one, or a request to stop; tell whether there was one.

    Where a step is read late, no more than one is handed out before the last one is read; and all
    are read when this returns, so that no checkpoint knows more, or less, than its weights.
    """
    progress, alone = training.progress, training.place.world == 1
    waiting: deque[Taken] = deque()
    stop = False

    def read() -> bool:
        taken = waiting.popleft()
        loss, asked = outcome(training, taken)
        progress.loss_sum += loss * taken.step.global_samples
        callbacks.on_step(training, loss, taken.step.global_samples)
        return asked or (alone and callbacks.stop_requested())

    for step in steps:
        set_learning_rate(training)
        # A process alone has nobody to tell, and looks once the step is done.
        asked = not alone and callbacks.stop_requested()
        waiting.append(begin_step(training, step, batches, stop=asked))
        progress.steps += 1
        progress.samples_in_epoch += step.global_samples
        if len(waiting) > reads_late(training) and (stop := read()):
            break
    while waiting:
        stop = read() or stop
    return stop


def _note_start(training: Training, run_dir: Path, records: Records, callbacks: Callbacks) -> None:
    """Score the untrained network, and keep it as the best so far."""
    valid = score(training, "valid", stop_requested=callbacks.stop_requested)
    error = valid.error(training.span.cpu())
    if note_validation(training.progress, error, epoch=0):
        save(training, run_dir, BEST)
    if training.place.is_first:
        scores = asdict(valid) | {"error": error}
        records.append({"event": "start", "epoch": 0, "valid": scores})


def fetches_early(training: Training) -> bool:
    """Return whether the next epoch's first batches are read while this one is being scored.

    Beside a GPU the cores are free for it; on a CPU validation needs them itself.
    """
    return training.place.device.type == "cuda"


def epoch_steps(training: Training, epoch: int | None = None) -> list[Step]:
    """Return this rank's optimizer steps of the epoch that training stands in, from there on.

    Args:
        training: where it stands.
        epoch: a later one instead, from its beginning on.
    """
    run = training.run
    return training_steps(
        len(training.splits["train"]),
        epoch=training.progress.epoch if epoch is None else epoch,
        seed=run.training.seed,
        batch_size=run.training.batch_size,
        accumulation=run.training.grad_accumulation,
        world=training.place.world,
        rank=training.place.rank,
        done=training.progress.samples_in_epoch if epoch is None else 0,
    )


def note_plateau(progress: Progress, settings: FrozenTraining, *, better: bool) -> None:
    """Count the validations without a better one since the learning rate was last reduced."""
    progress.validations_since_reduction += 1
    if better:
        progress.validations_since_reduction = 0
    elif progress.validations_since_reduction >= settings.plateau_patience:
        progress.validations_since_reduction = 0
        progress.reductions += 1


def patience_exhausted(training: Training) -> bool:
    """Return whether early stopping ends the training."""
    return is_out_of_patience(training.progress, training.run.training.patience)
