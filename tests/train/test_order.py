"""The order of samples does not depend on how the work is shared."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from srwizard.train.order import Step, scoring_batches, training_steps

SHARING = {
    "samples": st.integers(1, 60),
    "batch_size": st.integers(1, 7),
    "accumulation": st.integers(1, 4),
    "world": st.integers(1, 5),
}


def all_ranks(
    samples: int,
    batch_size: int,
    accumulation: int,
    world: int,
    *,
    epoch: int = 1,
    seed: int = 42,
    done: int = 0,
) -> list[list[Step]]:
    return [
        training_steps(
            samples,
            epoch=epoch,
            seed=seed,
            batch_size=batch_size,
            accumulation=accumulation,
            world=world,
            rank=rank,
            done=done,
        )
        for rank in range(world)
    ]


def counted(steps: tuple[Step, ...]) -> list[int]:
    """The samples that count in one step, over all ranks."""
    return sorted(
        key.index
        for step in steps
        for batch in step.micro_batches
        for key in batch
        if key.weight > 0
    )


@given(**SHARING)
def test_every_sample_counts_once(
    samples: int, batch_size: int, accumulation: int, world: int
) -> None:
    ranks = all_ranks(samples, batch_size, accumulation, world)
    keys = [
        key for steps in ranks for step in steps for batch in step.micro_batches for key in batch
    ]
    assert Counter(key.index for key in keys if key.weight) == Counter(range(samples))
    assert {key.weight for key in keys} <= {0.0, 1.0}


@given(**SHARING)
def test_ranks_keep_step(samples: int, batch_size: int, accumulation: int, world: int) -> None:
    ranks = all_ranks(samples, batch_size, accumulation, world)
    shapes = [[[len(batch) for batch in step.micro_batches] for step in steps] for steps in ranks]
    assert all(shape == shapes[0] for shape in shapes)
    assert all(
        0 < len(step) <= accumulation and all(0 < size <= batch_size for size in step)
        for step in shapes[0]
    )
    assert sum(step.global_samples for step in ranks[0]) == samples


@given(**SHARING)
def test_the_global_batch_does_not_depend_on_how_it_is_shared(
    samples: int, batch_size: int, accumulation: int, world: int
) -> None:
    shared = all_ranks(samples, batch_size, accumulation, world)
    whole = all_ranks(samples, batch_size * accumulation * world, 1, 1)
    assert [counted(steps) for steps in zip(*shared, strict=True)] == [
        counted(steps) for steps in zip(*whole, strict=True)
    ]
    assert [step.global_samples for step in shared[0]] == [step.global_samples for step in whole[0]]


@given(**SHARING, other_batch=st.integers(1, 9), data=st.data())
def test_the_rest_of_an_epoch_may_be_shared_otherwise(
    samples: int,
    batch_size: int,
    accumulation: int,
    world: int,
    other_batch: int,
    data: st.DataObject,
) -> None:
    begun = all_ranks(samples, batch_size, accumulation, world)
    taken = data.draw(st.integers(0, len(begun[0])))
    done = sum(step.global_samples for step in begun[0][:taken])
    rest = all_ranks(samples, other_batch, 1, 1, done=done)
    together = [steps[:taken] for steps in begun] + rest
    assert sorted(
        key.index
        for steps in together
        for step in steps
        for batch in step.micro_batches
        for key in batch
        if key.weight
    ) == list(range(samples))


def test_epochs_and_seeds_differ_and_repeat() -> None:
    def order(epoch: int, seed: int) -> list[list[Step]]:
        return all_ranks(20, 4, 1, 1, epoch=epoch, seed=seed)

    assert order(1, 42) == order(1, 42)
    assert order(1, 42) != order(2, 42)
    assert order(1, 42) != order(1, 43)
    # Not even the patches of a sample are cut at the same place again.
    seeds = {
        steps[0].micro_batches[0][0].patch_seed for steps in (order(1, 42)[0], order(2, 42)[0])
    }
    assert len(seeds) == 2


@given(samples=st.integers(0, 40), batch_size=st.integers(1, 7), world=st.integers(1, 5))
def test_every_sample_is_scored_once(samples: int, batch_size: int, world: int) -> None:
    keys = [
        key
        for rank in range(world)
        for batch in scoring_batches(samples, batch_size=batch_size, world=world, rank=rank)
        for key in batch
    ]
    assert sorted(key.index for key in keys) == list(range(samples))
    assert all(key.weight == 1 for key in keys)
