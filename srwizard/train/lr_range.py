"""The learning-rate range test: a hundred steps of rising learning rate, thrown away afterwards.

L. N. Smith, Cyclical learning rates for training neural networks, WACV 2017, arXiv:1506.01186. The
rate rises geometrically, and the loss is smoothed, as in fastai's `Learner.lr_find`. Fields differ
by more than a network learns in so few steps: each loss is therefore divided by that which an
output of 0 has on the same samples.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from srwizard.runs.failures import NonFiniteLossError
from srwizard.train.distributed import add_over_ranks
from srwizard.train.loop import epoch_steps
from srwizard.train.losses import sample_losses
from srwizard.train.order import Step
from srwizard.train.residual_scale import calibrate
from srwizard.train.sampling import draws_samples
from srwizard.train.setup import Training, micro_batches_of
from srwizard.train.step import optimizer_step

STEPS = 100
LOWEST, HIGHEST = 1e-6, 1.0
SMOOTHING = 0.98
"""How much of the average of the losses is kept from step to step; fastai's."""
BLOWN_UP = 4.0
"""The test ends where the smoothed loss is so many times the lowest one; fastai's."""
BELOW_LOWEST = 10.0
"""What is proposed is so many times less than the rate of the lowest loss, which is too high to
train with; fastai's `minimum`."""


def lr_range_test(training: Training) -> dict[str, Any]:
    """Take steps of rising learning rate; the training is of no use afterwards.

    Every rank has to ask, and gets the same.

    Returns:
        `lr`, `loss`, `smoothed`: lists with an item for each step that the loss survived; `loss`
        is relative, see above, but for diffusion models; `proposed`: a learning rate, None where
        the loss fell nowhere.
    """
    calibrate(training)
    training.objective.train()
    plan = _plan(training)
    size = _Size()
    batches = _measured(training, training.batches("train", micro_batches_of(plan)), size)
    rates: list[float] = []
    losses: list[float] = []
    for number, step in enumerate(plan):
        rate = LOWEST * (HIGHEST / LOWEST) ** (number / (STEPS - 1))
        for group in training.optimizer.param_groups:
            group["lr"] = rate
        size.sum = 0.0
        try:
            loss = optimizer_step(training, step, batches)
        except NonFiniteLossError:  # raised on every rank alike
            break
        rates.append(rate)
        losses.append(loss / _over_ranks(training, size, step))
        average = smoothed(losses)
        if average[-1] > BLOWN_UP * min(average):
            break
    average = smoothed(losses)
    return {"lr": rates, "loss": losses, "smoothed": average, "proposed": proposed(rates, average)}


class _Size:
    """The summed loss of an output of 0 on the samples of this rank's step."""

    sum = 0.0


def _measured(
    training: Training, batches: Iterable[dict[str, Tensor]], size: _Size
) -> Iterator[dict[str, Tensor]]:
    kind = training.run.training.loss
    for batch in batches:
        hr = batch["hr"]
        losses = sample_losses(torch.zeros_like(hr), hr, batch["mask"], kind, batch.get("area"))
        size.sum += float((losses * batch["weight"].to(losses)).sum())
        yield batch


def _over_ranks(training: Training, size: _Size, step: Step) -> float:
    """Return the mean loss of an output of 0; 1 where the loss is not that of an output."""
    total = add_over_ranks(training.place, torch.tensor(size.sum, dtype=torch.float64))
    known = float(total) / step.global_samples
    return 1.0 if draws_samples(training.bare) or known == 0 else known


def _plan(training: Training) -> list[Step]:
    """Return as many of this rank's steps as are wanted, of as many epochs as they take."""
    plan: list[Step] = []
    while len(plan) < STEPS:
        plan += epoch_steps(training)
        training.progress.epoch += 1
    return plan[:STEPS]


def smoothed(losses: Sequence[float]) -> list[float]:
    """Return the exponentially weighted mean of the losses up to each step, without its bias."""
    found, average = [], 0.0
    for number, loss in enumerate(losses, start=1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        found.append(average / (1 - SMOOTHING**number))
    return found


def proposed(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Return a tenth of the rate at which the smoothed loss is lowest, to two digits.

    None where the loss has not fallen: there is nothing to see in the curve.
    """
    if not losses or min(losses) >= losses[0]:
        return None
    lowest = rates[min(range(len(losses)), key=losses.__getitem__)]
    found = lowest / BELOW_LOWEST
    digits = 1 - math.floor(math.log10(found))
    return round(found, digits)
