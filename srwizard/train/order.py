"""The order of samples: the same for any number of processes and micro-batches.

An epoch is a seeded permutation cut into global batches; a global batch is split over the
ranks and, on each, into micro-batches. Every sample counts once: where a global batch cannot be
shared evenly, the rest is filled with samples of weight 0, so that all ranks take the same
number of steps and the gradient is that of the global batch.
"""

from dataclasses import dataclass

import numpy as np

from srwizard.data.samples import Key


@dataclass(frozen=True)
class Step:
    """One optimizer step of one rank: its micro-batches, and the samples of all ranks."""

    micro_batches: tuple[tuple[Key, ...], ...]
    global_samples: int


def training_steps(
    samples: int,
    *,
    epoch: int,
    seed: int,
    batch_size: int,
    accumulation: int,
    world: int,
    rank: int,
    done: int = 0,
) -> list[Step]:
    """Return the optimizer steps of one epoch, or of the rest of it, for one rank.

    Args:
        samples: length of the training split.
        epoch: number of the epoch; each has another order.
        seed: the run's seed.
        batch_size: samples of one rank in one micro-batch.
        accumulation: micro-batches in one step.
        world: number of ranks.
        rank: which of them.
        done: samples of this epoch, over all ranks, that have been trained on already. It counts
            samples, not steps, so that another batch size may take over in mid-epoch.
    """
    order = np.random.default_rng([seed, epoch]).permutation(samples)
    global_batch = batch_size * accumulation * world
    patch_seed = int(np.random.default_rng([seed, epoch, 1]).integers(2**31))
    steps = []
    for start in range(done, samples, global_batch):
        members = [int(index) for index in order[start : start + global_batch]]
        mine = [Key(index, 1.0, patch_seed) for index in members[rank::world]]
        longest = -(-len(members) // world)
        mine += [Key(members[0], 0.0, patch_seed)] * (longest - len(mine))
        batches = tuple(
            tuple(mine[place : place + batch_size]) for place in range(0, longest, batch_size)
        )
        steps.append(Step(batches, len(members)))
    return steps


def scoring_batches(samples: int, *, batch_size: int, world: int, rank: int) -> list[list[Key]]:
    """Return the batches in which one rank scores its share of a split; none is scored twice."""
    mine = [Key(index) for index in range(rank, samples, world)]
    return [mine[place : place + batch_size] for place in range(0, len(mine), batch_size)]
