"""What each remedy would bring, and which is proposed."""

from collections.abc import Sequence

import pytest

from srwizard.memory.remedies import smaller_batch
from srwizard.memory.remedy_effects import (
    Expected,
    Offer,
    RemedyEffect,
    batch_that_fits,
    effects,
    helpful_first,
    needed,
    recommended,
    smallest_combination,
    with_room,
)
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy, combined

MIB = 2**20


def remedy(key: str, value: object = True) -> Remedy:
    return Remedy({key: value}, key, "", key.rpartition(".")[2])


def forecast(mebibytes: int, cost: float | None = None) -> Expected:
    return Expected(peak_bytes=mebibytes * MIB, epoch_cost=cost)


AMP, CHECKPOINTING = remedy("memory.use_amp"), remedy("memory.gradient_checkpointing")


def test_predictions_are_scaled_by_what_was_measured() -> None:
    (found,) = effects([AMP], [forecast(500)], forecast(1000), 1200 * MIB, 1000 * MIB)
    assert found.peak_bytes == 600 * MIB
    assert found.share == 0.6
    assert found.fits


def test_without_a_measurement_they_stand_as_they_are() -> None:
    (found,) = effects([AMP], [forecast(900)], forecast(1000), None, 1000 * MIB)
    assert found.peak_bytes == 900 * MIB
    assert not found.fits


def test_the_least_intrusive_that_fits_is_proposed() -> None:
    found = effects(
        [AMP, CHECKPOINTING], [forecast(900), forecast(300)], forecast(1000), None, 1000 * MIB
    )
    best = recommended(found)
    assert best is not None
    assert best.remedy is CHECKPOINTING
    nothing = effects([AMP], [forecast(990)], forecast(1000), None, 1000 * MIB)
    assert recommended(nothing) is None


def test_what_saves_nothing_is_said() -> None:
    found = effects(
        [AMP, CHECKPOINTING], [forecast(995), forecast(600)], forecast(1000), None, 1000 * MIB
    )
    assert [item.gains for item in found] == [False, True]


def test_what_cannot_be_predicted_is_left_open() -> None:
    (found,) = effects([AMP], [None], forecast(1000), None, 1000 * MIB)
    assert (found.peak_bytes, found.share, found.fits, found.gains) == (None, None, False, True)


def test_a_gpu_without_free_memory() -> None:
    (found,) = effects([AMP], [forecast(10)], None, None, 0)
    assert not found.fits


def test_time_is_compared_with_that_of_the_config_as_it_is() -> None:
    found = effects(
        [AMP, CHECKPOINTING], [forecast(1, 5.0), forecast(1)], forecast(2, 10.0), None, 10
    )
    assert [item.time_change for item in found] == [-0.5, None]


def test_a_lighter_model_that_is_not_lighter_is_none() -> None:
    lighter = Remedy({"model.params": {}}, "lighter", "", "lighter_model")
    assert effects([lighter], [forecast(1000)], forecast(900), None, 10) == []


@pytest.mark.parametrize(
    ("measured", "predicted", "ran_out", "known"),
    [
        (500, 400, False, 500),
        (None, 400, False, None),
        (None, 400, True, 1000),
        (None, 1400, True, 1400),
        (700, 400, True, 1000),
    ],
)
def test_what_ran_out_needs_at_least_what_there_is(
    measured: int | None, predicted: int, ran_out: bool, known: int | None
) -> None:
    assert needed(measured, predicted, 1000, ran_out=ran_out) == known


def answers(batch_size: int) -> Answers:
    found = Answers()
    found.set("training.batch_size", batch_size)
    return found


def batches(sizes: Sequence[int], peak: dict[int, int], capacity: int) -> list[RemedyEffect]:
    offered = [smaller_batch(answers(64), size) for size in sizes]
    predicted = [forecast(peak[size]) for size in sizes]
    return effects(offered, predicted, forecast(6500), None, capacity * MIB)


def test_a_batch_that_fits_is_found_below_those_offered() -> None:
    peak = {32: 3300, 16: 1700}  # 100 for each sample, and 100 beside them
    found = batch_that_fits(batches([32, 16], peak, 1200), answers(64))
    assert found is not None
    assert found.changes == {"training.batch_size": 8, "training.grad_accumulation": 8}
    assert batch_that_fits(batches([32, 16], peak, 2500), answers(64)) is None  # 16 fits


HALF = Remedy(
    {"training.batch_size": 8, "training.grad_accumulation": 2}, "h", "", "batch_size_accumulated"
)
QUARTER = Remedy(
    {"training.batch_size": 4, "training.grad_accumulation": 4}, "q", "", "batch_size_accumulated"
)
PEAKS = {"use_amp": 1.0, "gradient_checkpointing": 0.8, "h": 0.7, "q": 0.5}
"""Factors of the peak, of 1000 bytes; mixed precision does nothing here."""


def look(offered: Sequence[Remedy]) -> list[RemedyEffect]:
    """Predict as if each change made the peak smaller by its own factor."""
    predicted = []
    for item in offered:
        peak = 1000.0
        for part in (AMP, CHECKPOINTING, HALF, QUARTER):
            if part.changes.items() <= item.changes.items():
                peak *= PEAKS[part.title.rpartition(".")[2]]
        predicted.append(Expected(round(peak)))
    return effects(offered, predicted, Expected(1000), None, look_capacity[0])


look_capacity = [0]


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [
        (1000, CHECKPOINTING.changes),  # 800
        (700, CHECKPOINTING.changes | HALF.changes),  # 560, while a quarter alone is 500
        (480, CHECKPOINTING.changes | QUARTER.changes),  # 400
        (400, None),
    ],
)
def test_the_smallest_combination(capacity: int, expected: dict[str, object] | None) -> None:
    look_capacity[0] = capacity
    singles = look([AMP, CHECKPOINTING, HALF])
    if capacity == 480:
        singles = look([AMP, CHECKPOINTING, HALF, QUARTER])
    found = recommended(singles) or smallest_combination(singles, look)
    assert (found.remedy.changes if found else None) == expected


def test_what_is_not_needed_is_left_out_of_a_combination() -> None:
    """Checkpointing brings nothing beside the rest: half the batch and patches are enough."""
    patch = remedy("memory.patch_size", 32)
    worth = {"gradient_checkpointing": 50, "h": 300, "patch_size": 300}

    def bring(offered: Sequence[Remedy]) -> list[RemedyEffect]:
        parts = (CHECKPOINTING, HALF, patch)
        peaks = [
            1000
            - sum(
                worth[part.title.rpartition(".")[2]]
                for part in parts
                if part.changes.items() <= item.changes.items()
            )
            for item in offered
        ]
        return effects(offered, [Expected(p) for p in peaks], Expected(1000), None, 500)

    found = smallest_combination(bring([CHECKPOINTING, HALF, patch]), bring)
    assert found is not None
    assert found.remedy.changes == HALF.changes | patch.changes


def test_a_proposal_with_more_room() -> None:
    look_capacity[0] = 1000
    singles = look([AMP, CHECKPOINTING, HALF, QUARTER])
    found = with_room(singles, recommended(singles), look)
    assert found is not None
    assert found.remedy.changes == CHECKPOINTING.changes | QUARTER.changes


def test_as_programs_read_it() -> None:
    (found,) = effects([AMP], [forecast(500, 3.0)], forecast(1000, 2.0), None, 1000 * MIB)
    assert found.as_json() == {
        "key": "use_amp",
        "changes": {"memory.use_amp": True},
        "title": "memory.use_amp",
        "effect": "",
        "predicted_bytes": 500 * MIB,
        "share": 0.5,
        "fits": True,
        "gains": True,
        "time_change": 0.5,
    }


def test_of_two_that_set_the_same_the_later_counts() -> None:
    found = combined([remedy("a", 1), remedy("b", 2), remedy("a", 3)])
    assert found.changes == {"a": 3, "b": 2}


def test_what_saves_nothing_is_offered_last() -> None:
    other = Remedy({"training.batch_size": 8}, "batch", "", "batch_size")
    found = effects([AMP, other], [forecast(1010), forecast(900)], forecast(1000), None, 950 * MIB)
    assert [item.remedy for item in helpful_first(found)] == [other, AMP]


@pytest.mark.parametrize(("capacity", "enough"), [(950, False), (2000, True), (0, True)])
def test_that_nothing_is_enough_is_known(capacity: int, enough: bool) -> None:
    """Nothing is said where no capacity is known."""
    singles = effects([AMP], [forecast(960)], forecast(1000), None, capacity * MIB)
    assert Offer(singles).none_is_enough is not enough
