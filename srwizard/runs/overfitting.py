"""Whether a training overfits: validation gets worse while the training loss falls. No torch.

Both curves are noisy. What is compared are means over some validations, and a rise counts only
where it is larger than what validations jump by anyway.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from srwizard.base.i18n import translate as _

SMOOTHED = 5
"""So many validations are taken together, and so many there are at least."""
FEWEST_SINCE_BEST = 3
WORSE = 1.01
"""The error counts as risen from this ratio on to the lowest,"""
JUMPS = 4.0
"""and by so many times what it changes by from one validation to the next."""
LOWER = 0.99
"""The training loss counts as fallen from this ratio on."""

Event = Mapping[str, Any]


def overfitting_since(epochs: Sequence[Event]) -> int | None:
    """Return the epoch at which validation was best, if the training has overfitted since.

    It has from when validation is found to have turned while the training loss fell on; and until
    a better validation comes.

    Args:
        epochs: the events of the epochs, in order.
    """
    found = errors_of(epochs)
    measured = [event for event, error in zip(epochs, found, strict=True) if error is not None]
    errors = [error for error in found if error is not None]
    losses = [training_loss_of(event) for event in measured]
    since: int | None = None
    best = lowest = 0
    smooth: list[float] = []
    for last, error in enumerate(errors):
        smooth.append(_mean(errors, last))
        if error < errors[best]:
            best, since = last, None
        if last < SMOOTHED or smooth[lowest] > smooth[last]:
            lowest = last
        elif since is None and last - max(best, lowest) >= FEWEST_SINCE_BEST:
            fell = _mean(losses, last) < LOWER * _mean(losses, lowest)
            if fell and _has_risen(errors, smooth[lowest], smooth[last], last):
                since = int(measured[best]["epoch"])
    return since


def errors_of(epochs: Sequence[Event]) -> list[float | None]:
    """Return the error of each validation that checkpoints are compared by; None: there was none.

    Records of version 0.1.0 may lack it: then all are those over the error of bicubic, the mean
    over the variables, of an ensemble in CRPS.
    """
    validations = [event.get("valid") or {} for event in epochs]
    own = [valid.get("error") for valid in validations]
    if all(error is not None for error, valid in zip(own, validations, strict=True) if valid):
        return [error if error is not None and math.isfinite(error) else None for error in own]
    return [_over_bicubic(valid) for valid in validations]


def _over_bicubic(valid: Mapping[str, Any]) -> float | None:
    ratios = []
    for found in valid.get("variables", {}).values():
        ours, theirs = found["model"], found["bicubic"]
        kind = "rmse" if ours.get("crps") is None or theirs.get("crps") is None else "crps"
        if ours.get(kind) is not None and theirs.get(kind):
            ratios.append(ours[kind] / theirs[kind])
    known = [ratio for ratio in ratios if math.isfinite(ratio)]
    return sum(known) / len(known) if known else None


def training_loss_of(event: Event) -> float:
    """Return the training loss of an epoch, NaN where it is not on record."""
    loss = event.get("train_loss")
    return math.nan if loss is None else float(loss)


def _has_risen(errors: Sequence[float], lowest: float, now: float, last: int) -> bool:
    recent = errors[max(0, last - 2 * SMOOTHED) : last + 1]
    jump = sum(abs(later - earlier) for earlier, later in pairwise(recent)) / (len(recent) - 1)
    return now > WORSE * lowest and now - lowest > JUMPS * jump


def _mean(values: Sequence[float], last: int) -> float:
    """Return the mean of the last values up to one."""
    part = values[max(0, last + 1 - SMOOTHED) : last + 1]
    return sum(part) / len(part)


def overfitting_text(since: int) -> str:
    """Say that a training overfits, and what helps."""
    return _(
        "Overfitting: validation was best at epoch {epoch} and has got worse since, while the "
        "training loss fell. What helps: more data, training.augment, a larger "
        "training.weight_decay, a smaller network, or patches (memory.patch_size).",
        epoch=since,
    )


def no_longer_text(epoch: int) -> str:
    """Take it back."""
    return _("No longer overfitting: epoch {epoch} is the best on the validation split.",
             epoch=epoch)  # fmt: skip
