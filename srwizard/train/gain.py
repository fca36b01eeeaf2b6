"""How much of what a network gives is taken: one number for each variable, by the validation split.

What a network has learnt by heart it says too loudly where it has not been; the gain is the slope
of what the skip misses on the correction, at least 0 and at most 1. Of one answer that is the share
that lowers the error most. Of an ensemble the slope on what members have in common is taken: the
noise that its mean still holds makes the mean less certain, not the network too loud. See
`correction` for how it is applied, and docs/simple-methods.md for what it brings.
"""

from pathlib import Path

import torch
from torch import Tensor

from srwizard.train import checkpoint
from srwizard.train.checkpoint import BEST
from srwizard.train.conservation import blocks_of, conserved
from srwizard.train.distributed import add_over_ranks, wait_for_all
from srwizard.train.sampling import draws_samples, members_of
from srwizard.train.scoring import members_drawn, scored_batches
from srwizard.train.setup import Training

PRIOR_STEPS = 1.0
"""The gain is what it would be if so many further steps had said 1."""
WORTH_IT = 0.99
"""A gain above is none."""
STANDARD_ERRORS = 2.0
"""So far from 0 is what an ensemble says too much, or it is none."""


def fit_gain(training: Training, run_dir: Path) -> None:
    """Fit the gain of the best checkpoint, whose weights are loaded, and keep it there.

    Every rank has to ask. Nothing is done where there is no skip, and for a diffusion model that
    draws one sample of each field, which is to have the variance of the truth.

    Raises:
        OSError: it cannot be written.
    """
    known, training.gain = training.gain, {}
    alone = members_of(training.bare, "valid") == 1
    if training.run.model.skip is None or (draws_samples(training.bare) and alone):
        return
    training.gain = fitted_gain(training)
    if training.gain == known:
        return
    if training.place.is_first:
        state = checkpoint.load(run_dir, BEST, training.run)
        assert state is not None
        checkpoint.save(run_dir, BEST, state | {"gain": training.gain})
    wait_for_all(training.place)


@torch.no_grad()
def fitted_gain(training: Training) -> dict[str, float]:
    """Return the gain of the weights as they are; `training` has none meanwhile."""
    with training.whole() as own:
        products = add_over_ranks(training.place, _products(own))
    steps = len(training.splits["valid"])
    drawn = draws_samples(training.bare)
    found = {}
    for name, sums in zip(training.run.data.variables, products.tolist(), strict=True):
        gain = _gain(*sums, steps=steps, drawn=drawn)
        if gain < WORTH_IT:
            found[name] = gain
    return found


def _gain(with_truth: float, common: float, squared: float, *, steps: int, drawn: bool) -> float:
    """Return the gain that the sums of some steps say, see `_of_a_field`.

    Members that are draws of the truth's own distribution say neither too much nor too little, but
    for chance: what `drawn` ones say too much must stand clear of that.
    """
    too_much = common - with_truth
    if common <= 0 or (drawn and too_much <= STANDARD_ERRORS * squared**0.5):
        return 1.0
    slope = min(max(with_truth / common, 0.0), 1.0)
    return (steps * slope + PRIOR_STEPS) / (steps + PRIOR_STEPS)


def _products(training: Training) -> Tensor:
    """Return the sums `[C, 3]` of `_of_a_field` over the validation split.

    All in physical units, over the points of whole fields that have a value, as errors are scored.
    """
    run = training.run
    products = torch.zeros(len(run.data.variables), 3, dtype=torch.float64)
    training.bare.eval()
    for indices, batch in scored_batches(training, "valid"):
        members = members_drawn(training, batch, "valid", indices)
        # What block means shift, they would shift without the network as well.
        without = conserved(torch.zeros_like(members[0]), blocks_of(batch))
        truth = batch["hr"] - without
        drawn = torch.stack([member - without for member in members], dim=1)
        for corrections, missed, mask in zip(drawn, truth, batch["mask"], strict=True):
            d, t = (
                torch.where(mask, part * training.spread, 0.0).double()
                for part in (corrections, missed)
            )
            products += _of_a_field(d, t).cpu()
    return products


def _of_a_field(d: Tensor, t: Tensor) -> Tensor:
    """Return products of the corrections `d` `[M, C, H, W]` with what the skip misses, `t`.

    The square of the mean of members holds the noise of each; the product of two different ones
    holds none (errors in variables).

    Returns:
        `[C, 3]`: of their mean with `t` `[C, H, W]`; of one with another, of one answer with
        itself; and the square of the difference of the two.
    """
    count, total = len(d), d.sum(dim=0)
    with_truth = (total * t).sum(dim=(1, 2)) / count
    common = (total * total).sum(dim=(1, 2))
    if count > 1:
        itself = (d * d).sum(dim=(0, 2, 3))
        common = (common - itself) / (count * (count - 1))
    return torch.stack([with_truth, common, (common - with_truth).square()], dim=1)
