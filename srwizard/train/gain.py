"""How much of what a network gives is taken: one number for each variable, by the validation split.

A prediction is skip + gain * correction. What a network has learnt by heart it says too loudly
where it has not been; the gain is the share of it that lowers the error most there, at least 0 and
at most 1. See docs/simple-methods.md for what it brings.
"""

from pathlib import Path

import torch
from torch import Tensor

from srwizard.train import checkpoint
from srwizard.train.checkpoint import BEST
from srwizard.train.distributed import add_over_ranks, wait_for_all
from srwizard.train.order import scoring_batches
from srwizard.train.sampling import draws_samples
from srwizard.train.scoring import scoring_batch_size, super_resolve
from srwizard.train.setup import Training

PRIOR_STEPS = 1.0
"""The gain is what it would be if so many further steps had said 1."""
WORTH_IT = 0.99
"""A gain above is none."""


def fit_gain(training: Training, run_dir: Path) -> None:
    """Fit the gain of the best checkpoint, whose weights are loaded, and keep it there.

    Every rank has to ask. Nothing is done where there is no skip, and for diffusion models, whose
    samples are to have the variance of the truth.

    Raises:
        OSError: it cannot be written.
    """
    known, training.gain = training.gain, {}
    if training.run.model.skip is None or draws_samples(training.bare):
        return
    training.gain = _fitted(training)
    if training.gain == known:
        return
    if training.place.is_first:
        state = checkpoint.load(run_dir, BEST, training.run)
        assert state is not None
        checkpoint.save(run_dir, BEST, state | {"gain": training.gain})
    wait_for_all(training.place)


@torch.no_grad()
def _fitted(training: Training) -> dict[str, float]:
    with training.whole() as own:
        products = add_over_ranks(training.place, _products(own))
    steps = len(training.splits["valid"])
    found = {}
    for name, (with_truth, with_itself) in zip(
        training.run.data.variables, products.tolist(), strict=True
    ):
        best = min(max(with_truth / with_itself, 0.0), 1.0) if with_itself > 0 else 1.0
        gain = (steps * best + PRIOR_STEPS) / (steps + PRIOR_STEPS)
        if gain < WORTH_IT:
            found[name] = gain
    return found


def _products(training: Training) -> Tensor:
    """Return `[C, 2]`: the correction times what the skip misses, and times itself, summed.

    Both in physical units, over the points of whole fields that have a value, as errors are scored.
    """
    run, place = training.run, training.place
    batches = scoring_batches(
        len(training.splits["valid"]),
        batch_size=scoring_batch_size(training),
        world=place.world,
        rank=place.rank,
    )
    products = torch.zeros(len(run.data.variables), 2, dtype=torch.float64)
    training.bare.eval()
    for batch in training.batches("valid", [tuple(keys) for keys in batches]):
        given = super_resolve(training, batch["lr"])
        for correction, truth, mask in zip(given, batch["hr"], batch["mask"], strict=True):
            d, t = (
                torch.where(mask, part * training.spread, 0.0).double()
                for part in (correction, truth)
            )
            sums = [(d * t).sum(dim=(1, 2)), (d * d).sum(dim=(1, 2))]
            products += torch.stack(sums, dim=1).cpu()
    return products
