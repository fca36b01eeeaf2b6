"""The learning rate, as a function of how far training has come."""

import math

from srwizard.settings.answers import TrainingAnswers

WARMUP_START = 0.01
ONE_CYCLE_RISE = 0.3
ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 250_000
"""As in torch's OneCycleLR, which has them from fastai."""


def learning_rate(settings: TrainingAnswers, epochs_done: float, reductions: int = 0) -> float:
    """Return the learning rate.

    It follows from the settings and from where training stands, not from what a checkpoint
    holds, so that settings that were changed between two parts of a training count.

    Sources: cosine: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, without restarts.
    OneCycle: Smith & Topin 2018, arXiv:1708.07120, with cosines for the two slopes; momentum is
    left as it is.

    Args:
        settings: schedule and its parameters.
        epochs_done: with the fraction of the epoch that is going on.
        reductions: how often a plateau has been met.
    """
    lr, warmup = settings.lr, settings.warmup_epochs
    if settings.scheduler == "OneCycle":
        return lr * _one_cycle(epochs_done / settings.epochs)
    if epochs_done < warmup:
        return lr * (WARMUP_START + (1 - WARMUP_START) * epochs_done / warmup)
    match settings.scheduler:
        case "StepLR":
            return lr * settings.gamma ** (int(epochs_done) // settings.step_size)
        case "cosine":
            share = (epochs_done - warmup) / max(settings.epochs - warmup, 1)
            return _cosine(lr, min(settings.min_lr, lr), share)
        case "plateau":
            return max(lr * settings.gamma**reductions, min(settings.min_lr, lr))
        case "none":
            return lr


def _one_cycle(share: float) -> float:
    if share < ONE_CYCLE_RISE:
        return _cosine(ONE_CYCLE_START, 1.0, share / ONE_CYCLE_RISE)
    return _cosine(1.0, ONE_CYCLE_END, (share - ONE_CYCLE_RISE) / (1 - ONE_CYCLE_RISE))


def _cosine(start: float, end: float, share: float) -> float:
    """Go from `start` to `end` along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2
