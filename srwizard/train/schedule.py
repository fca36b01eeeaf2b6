"""The learning rate, as a function of how far training has come.

A schedule is a function `(settings, epochs_done, reductions) -> learning rate`, with an entry in
`SCHEDULES` of `srwizard/settings/methods.py`. One with `warmup_epochs` among its parameters is
asked for the rate once the warm-up is over.
"""

import math

from srwizard.base.choices import method_named
from srwizard.settings.methods import SCHEDULES
from srwizard.settings.training import FrozenTraining

WARMUP_START = 0.01
ONE_CYCLE_RISE = 0.3
ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 250_000
"""As in torch's OneCycleLR, which has them from fastai."""


def learning_rate(settings: FrozenTraining, epochs_done: float, reductions: int = 0) -> float:
    """Return the learning rate.

    It follows from the settings and from where training stands, not from what a checkpoint
    holds, so that settings that were changed between two parts of a training count.

    Args:
        settings: schedule and its parameters.
        epochs_done: with the fraction of the epoch that is going on.
        reductions: how often a plateau has been met.
    """
    schedule = method_named(SCHEDULES, settings.scheduler)
    warmup = settings.warmup_epochs
    if "warmup_epochs" in schedule.parameters and epochs_done < warmup:
        return settings.lr * (WARMUP_START + (1 - WARMUP_START) * epochs_done / warmup)
    return float(schedule.function()(settings, epochs_done, reductions))


def step_lr(settings: FrozenTraining, epochs_done: float, reductions: int) -> float:
    """Lower the rate every few epochs."""
    return settings.lr * settings.gamma ** (int(epochs_done) // settings.step_size)


def cosine(settings: FrozenTraining, epochs_done: float, reductions: int) -> float:
    """Lower the rate along a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5).

    Without restarts.
    """
    warmup = settings.warmup_epochs
    share = (epochs_done - warmup) / max(settings.epochs - warmup, 1)
    return _cosine(settings.lr, min(settings.min_lr, settings.lr), share)


def one_cycle(settings: FrozenTraining, epochs_done: float, reductions: int) -> float:
    """Raise the rate, then lower it (Smith & Topin 2018, arXiv:1708.07120).

    With cosines for the two slopes; momentum is left as it is.
    """
    share = epochs_done / settings.epochs
    if share < ONE_CYCLE_RISE:
        return settings.lr * _cosine(ONE_CYCLE_START, 1.0, share / ONE_CYCLE_RISE)
    fallen = (share - ONE_CYCLE_RISE) / (1 - ONE_CYCLE_RISE)
    return settings.lr * _cosine(1.0, ONE_CYCLE_END, fallen)


def plateau(settings: FrozenTraining, epochs_done: float, reductions: int) -> float:
    """Lower the rate each time that validation has got no better for long."""
    return max(settings.lr * settings.gamma**reductions, min(settings.min_lr, settings.lr))


def constant(settings: FrozenTraining, epochs_done: float, reductions: int) -> float:
    """Keep the rate."""
    return settings.lr


def _cosine(start: float, end: float, share: float) -> float:
    """Go from `start` to `end` along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2
