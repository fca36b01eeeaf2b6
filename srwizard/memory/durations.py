"""How long a training takes, from what its dry run has timed: steps, and fields that are scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from srwizard.data.split_names import SPLITS
from srwizard.settings.run_config import RunConfig
from srwizard.settings.validations import validations_of

EXAMPLES = 2
"""Test fields that are drawn once more, for the report."""


@dataclass(frozen=True)
class Durations:
    """In seconds.

    Args:
        step: an optimizer step of the largest size there is.
        epoch: the training steps of an epoch.
        validation: of the whole validation split, once.
        run: all that is left of it, validations and the scores at its end included.
    """

    step: float
    epoch: float
    validation: float
    run: float


def durations(run: RunConfig, ranks: Sequence[dict[str, Any]], done: int = 0) -> Durations:
    """Return how long a run takes.

    Args:
        run: its config.
        ranks: the figures of each rank; the slowest counts.
        done: epochs that it goes on after.
    """
    step = _slowest(ranks, "step_seconds")
    epoch = step * steps_of_an_epoch(run)
    # The first rank has the most fields.
    fields = {name: -(-run.data.steps[name] // run.devices.world_size) for name in SPLITS}
    validation = fields["valid"] * _slowest(ranks, "validation_field_seconds")
    test = (fields["test"] + EXAMPLES) * _slowest(ranks, "test_field_seconds")
    left = max(run.training.epochs - done, 0)
    validations = validations_of(run.training.epochs, run.training.eval_freq, done)
    if run.model.skip is not None:
        validations += 1 if done else 2  # of what the network starts from, and for its gain
    return Durations(step, epoch, validation, left * epoch + validations * validation + test)


def steps_of_an_epoch(run: RunConfig) -> float:
    """Return the work of an epoch in steps of the largest size: the last one may be smaller."""
    samples = run.data.steps["train"]
    return samples / min(run.global_batch, samples)


def _slowest(ranks: Sequence[dict[str, Any]], name: str) -> float:
    return max(float(figures.get(name, 0.0)) for figures in ranks)
