"""Where a training stands, in figures: what its screen shows and `status.json` says. No torch."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from srwizard.base.files import finite_or_null
from srwizard.runs.skill import best_method

BEHIND_TRAINING = ("gain", "test")
"""Phases in which the weights are trained and on disk."""


@dataclass
class Progress:
    """Where training stands: epoch, samples done in it, their loss, the best validation.

    `steps` counts optimizer steps since the beginning; `loss_sum` is the sum over the samples
    done in this epoch, and `seconds_in_epoch` the time that they took where training was stopped
    amidst it; `best_error` is the RMSE over the range of the training split, averaged
    over the variables. `reductions` of the learning rate come from plateaus. `schedule_from` is how
    many epochs lay before the schedule that they belong to.
    """

    epoch: int = 1
    samples_in_epoch: int = 0
    loss_sum: float = 0.0
    steps: int = 0
    best_error: float | None = None
    best_epoch: int = 0
    validations_without_better: int = 0
    reductions: int = 0
    validations_since_reduction: int = 0
    schedule_from: int = 0
    seconds_in_epoch: float = 0.0

    def enter_schedule(self, begun: int) -> None:
        """Count plateaus and patience anew where the schedule was begun again, after `begun`."""
        if begun != self.schedule_from:
            self.schedule_from = begun
            self.reductions = self.validations_since_reduction = 0
            self.validations_without_better = 0


def note_validation(progress: Progress, error: float, epoch: int | None = None) -> bool:
    """Note a validation; return whether it is the best so far.

    NaN, no value to measure, is not; nor is it one without a better one.

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
    elif not math.isnan(error):
        progress.validations_without_better += 1
    return better


def is_out_of_patience(progress: Progress, patience: int | None) -> bool:
    """Return whether early stopping ends the training; a patience of None never does."""
    return patience is not None and progress.validations_without_better >= patience


def epoch_of(progress: Progress) -> int:
    """Return the last epoch that a checkpoint has seen anything of."""
    return progress.epoch if progress.samples_in_epoch else progress.epoch - 1


@dataclass
class Figures:
    """Where a training stands.

    Args:
        epochs: how many there are to be.
        samples: of the training split.
        batch: samples in one optimizer step, over all processes.
        epoch: the one that training stands in.
        samples_in_epoch: how many of them are done in this epoch.
        step: optimizer steps since the beginning.
        phase: set-up, training, validation, checkpoint, gain or test.
        loss: of the last step.
        samples_per_second: in this epoch, without validations.
        validation: the scores of the last one, from `briefly`, with its epoch.
        overfitting_since: the epoch from which on training overfits, if it does.
        memory_bytes: in use now; on a CPU by all processes, on GPUs by the first.
        peak_memory_bytes: the most that was in use.
        measured_peak_bytes: what the dry run had found.
    """

    epochs: int
    samples: int
    batch: int
    epoch: int = 1
    samples_in_epoch: int = 0
    step: int = 0
    phase: str = "set-up"
    loss: float | None = None
    samples_per_second: float | None = None
    validation: dict[str, Any] | None = None
    overfitting_since: int | None = None
    memory_bytes: int | None = None
    peak_memory_bytes: int | None = None
    measured_peak_bytes: int | None = None
    _pace: "Pace" = field(default_factory=lambda: Pace())

    @property
    def done(self) -> float:
        """The share of the training that is done, from 0 to 1."""
        share = (self.epoch - 1 + self.samples_in_epoch / self.samples) / self.epochs
        return min(share, 1.0)

    @property
    def steps_in_epoch(self) -> int:
        """Optimizer steps in one epoch."""
        return -(-self.samples // self.batch)

    @property
    def step_in_epoch(self) -> int:
        """Optimizer steps done in this epoch."""
        return -(-self.samples_in_epoch // self.batch)

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the last epoch as things went so far, validations included; None: unknown.

        How long it takes to score the test split, or the last validation, no epoch has shown.
        """
        remaining = self.samples * self.epochs * (1 - self.done)
        if self.phase in BEHIND_TRAINING or remaining <= 0:
            return None
        return self._pace.seconds_for(remaining)

    def enter(self, phase: str) -> None:
        """Note what training does now."""
        if phase == "training" and self.phase != "training":
            self._pace.begin_epoch()
        self.phase = phase

    def note_step(self, at: "Progress", loss: float, new: int) -> None:
        """Note one optimizer step of `new` samples."""
        self.epoch, self.samples_in_epoch, self.step = at.epoch, at.samples_in_epoch, at.steps
        self.loss = loss
        self.samples_per_second = self._pace.note(new) or self.samples_per_second

    def note_epoch(self, event: Mapping[str, Any]) -> None:
        """Note the event of a finished epoch."""
        self.epoch, self.samples_in_epoch = event["epoch"], self.samples
        self.loss = event["train_loss"]
        self.samples_per_second = event["samples_per_second"]
        self.overfitting_since = event.get("overfitting_since")
        if event["valid"] is not None:
            scores = briefly(event["valid"]["variables"])
            self.validation = {"epoch": event["epoch"], "variables": scores}

    def for_status(self) -> dict[str, Any]:
        """Return the figures as `status.json` holds them."""
        return {
            "phase": self.phase,
            "epoch": min(self.epoch, self.epochs),
            "epochs": self.epochs,
            "step": self.step,
            "step_in_epoch": self.step_in_epoch,
            "steps_in_epoch": self.steps_in_epoch,
            "progress": round(self.done, 6),
            "loss": self.loss,
            "samples_per_second": self.samples_per_second,
            "seconds_left": self.seconds_left,
            "validation": self.validation,
            "overfitting_since": self.overfitting_since,
            "memory_bytes": self.memory_bytes,
            "peak_memory_bytes": self.peak_memory_bytes,
            "measured_peak_bytes": self.measured_peak_bytes,
        }


class Pace:
    """How fast samples go by; the first step is left out, in which much is done only once."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._samples = 0
        self._epoch_begun: float | None = None
        self._epoch_samples = 0

    def begin_epoch(self) -> None:
        """Begin to count the samples of an epoch."""
        self._epoch_begun = None if self._begun is None else time.monotonic()
        self._epoch_samples = 0

    def note(self, samples: int) -> float | None:
        """Note samples that went by, and return how many do so in a second in this epoch."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = self._epoch_begun = now
            return None
        self._samples += samples
        self._epoch_samples += samples
        elapsed = now - self._epoch_begun if self._epoch_begun is not None else 0.0
        return self._epoch_samples / elapsed if elapsed > 0 else None

    def seconds_for(self, samples: float) -> float | None:
        """Return how long so many samples will take, all that lies between them included."""
        if self._begun is None or not self._samples:
            return None
        return (time.monotonic() - self._begun) * samples / self._samples


def briefly(variables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return of the scores of each variable the RMSE, those of simple methods, and the skill.

    `best` names the best simple method, `skill` is against it.

    What could not be measured is None.
    """
    found: dict[str, dict[str, Any]] = finite_or_null(
        {
            name: {
                "rmse": scores["model"]["rmse"],
                "bicubic_rmse": scores["bicubic"]["rmse"],
                "best": best_method(scores),
                "best_rmse": scores[best_method(scores)]["rmse"],
                "skill": scores.get("skill"),
            }
            for name, scores in variables.items()
        }
    )
    return found
