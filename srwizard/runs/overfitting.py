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
    measured = [event for event in epochs if error_of(event) is not None]
    errors = [error_of(event) or 0.0 for event in measured]
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


def error_of(event: Event) -> float | None:
    """Return the RMSE of a validation over that of bicubic, the mean over the variables.

    None where there was no validation, or nothing to measure.
    """
    scores = (event.get("valid") or {}).get("variables", {}).values()
    pairs = [(found["model"].get("rmse"), found["bicubic"].get("rmse")) for found in scores]
    ratios = [ours / theirs for ours, theirs in pairs if ours is not None and theirs]
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
