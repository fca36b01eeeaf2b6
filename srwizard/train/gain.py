"""How much of what a network gives is taken: one number for each variable, by the validation split.

What a network has learnt by heart it says too loudly where it has not been, and the mean of a few
members of an ensemble holds some of their noise; the gain is the share of the correction that
lowers the error most, at least 0 and at most 1. See `correction` for how it is applied, and
docs/simple-methods.md for what it brings.
"""

from pathlib import Path

import torch
from torch import Tensor

from srwizard.train import checkpoint
from srwizard.train.checkpoint import BEST
from srwizard.train.conservation import blocks_of, conserved
from srwizard.train.correction import Gain, factors, gains_to
from srwizard.train.distributed import add_over_ranks, wait_for_all
from srwizard.train.order import scoring_batches
from srwizard.train.sampling import draws_samples, members_of
from srwizard.train.scoring import members_drawn, scoring_batch_size
from srwizard.train.setup import Training

PRIOR_STEPS = 1.0
"""The gain is what it would be if so many further steps had said 1."""
WORTH_IT = 0.99
"""A gain above is none."""


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
        checkpoint.save(run_dir, BEST, state | {"gain": gains_to(training.gain)})
    wait_for_all(training.place)


def told_gain(training: Training) -> dict[str, float]:
    """Return what corrections are multiplied with in scores of the test split, by variable."""
    return factors(training.gain, members_of(training.bare, "test"))


@torch.no_grad()
def fitted_gain(training: Training) -> dict[str, Gain]:
    """Return the gain of the weights as they are; `training` has none meanwhile."""
    with training.whole() as own:
        products = add_over_ranks(training.place, _products(own))
    steps = len(training.splits["valid"])
    found = {}
    for name, sums in zip(training.run.data.variables, products.tolist(), strict=True):
        gain = _gain(*sums, steps=steps)
        if gain.of(1) < WORTH_IT:
            found[name] = gain
    return found


def _gain(with_truth: float, with_others: float, with_itself: float, *, steps: int) -> Gain:
    """Return the gain that products of the correction with truth, others and itself say."""
    if with_itself <= 0:
        return Gain(1.0)
    shared = max(with_others / with_itself, 0.0)
    told = min(max(with_truth / with_itself, 0.0), shared)
    return Gain((steps * told + PRIOR_STEPS * shared) / (steps + PRIOR_STEPS), shared)


def _products(training: Training) -> Tensor:
    """Return `[C, 3]`: the correction times what the skip misses, others, and itself, summed.

    All in physical units, over the points of whole fields that have a value, as errors are scored.
    """
    run, place = training.run, training.place
    batches = scoring_batches(
        len(training.splits["valid"]),
        batch_size=scoring_batch_size(training),
        world=place.world,
        rank=place.rank,
    )
    products = torch.zeros(len(run.data.variables), 3, dtype=torch.float64)
    training.bare.eval()
    chosen = [tuple(keys) for keys in batches]
    for keys, batch in zip(chosen, training.batches("valid", chosen), strict=True):
        members = members_drawn(training, batch, "valid", [key.index for key in keys])
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
    """Return the products `[C, 3]` of corrections `d` `[M, C, H, W]` with `t` `[C, H, W]`."""
    count, total = len(d), d.sum(dim=0)
    itself = (d * d).sum(dim=(0, 2, 3)) / count
    of_total = (total * total).sum(dim=(1, 2))
    others = itself if count == 1 else (of_total / count - itself) / (count - 1)
    return torch.stack([(total * t).sum(dim=(1, 2)) / count, others, itself], dim=1)
