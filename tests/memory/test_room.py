"""What spare memory can buy: changes that fit for sure, and which of them is proposed."""

from collections.abc import Sequence

import pytest

from srwizard.memory.remedies import Surroundings
from srwizard.memory.remedy_effects import Expected, RemedyEffect, effects
from srwizard.memory.room import Room, is_roomy, ways, what_room_buys
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import Remedy

SHAPE = (128, 256)
PEAK = 100


def answers(**values: object) -> Answers:
    found = Answers()
    found.set("data.scale", 4)
    found.set("training.batch_size", 4)
    for key, value in values.items():
        found.set(key.replace("__", "."), value)
    return found


def changes(chosen: Answers, *, samples: int = 100, cores: int = 16) -> list[dict[str, object]]:
    return [way.changes for way in ways(chosen, SHAPE, samples, cores)]


def test_the_least_intrusive_first() -> None:
    assert changes(answers(memory__patch_size=64)) == [
        {"memory.gradient_checkpointing": False},
        {"training.batch_size": 8},
        {"training.batch_size": 16},
        {"memory.patch_size": None},
    ]


def test_nothing_that_is_used_already() -> None:
    chosen = answers(memory__gradient_checkpointing=False)
    assert changes(chosen, samples=7) == []


def test_less_accumulation_keeps_the_effective_batch() -> None:
    chosen = answers(training__grad_accumulation=3)
    assert {"training.batch_size": 12, "training.grad_accumulation": 1} in changes(chosen)
    assert {"training.batch_size": 8} not in changes(chosen)


def test_a_larger_patch_stays_within_the_field() -> None:
    sizes = [way["memory.patch_size"] for way in changes(answers(memory__patch_size=32))[3:]]
    assert sizes == [64, None]


def test_loaders_where_there_are_cores_for_them() -> None:
    """Beside a GPU only: on a CPU they would take cores from the steps."""
    few = answers(training__num_workers=0, devices__gpus=[0])
    assert {"training.num_workers": 4} in changes(few)
    assert {"training.num_workers": 4} not in changes(few, cores=1)
    assert {"training.num_workers": 4} not in changes(answers(training__num_workers=0))


def bought(chosen: Answers, capacity: int, *expected: Expected) -> Room:
    """Return what is bought where predictions are as given, in the order of the ways."""
    known = iter(expected)

    def look(offered: Sequence[Remedy]) -> list[RemedyEffect]:
        predicted = [next(known) for _remedy in offered]
        return effects(offered, predicted, Expected(PEAK, 10.0), PEAK, capacity)

    return what_room_buys(chosen, Surroundings(SHAPE), 4, 2, look)


def test_only_what_fits_for_sure_is_offered() -> None:
    """A prediction can be 12 % too low: what is chosen must fit all the same."""
    assert bought(answers(), 1000, Expected(750, 8.0)).singles
    assert not bought(answers(), 1000, Expected(760, 8.0)).singles


@pytest.mark.parametrize(("cost", "is_faster"), [(8.0, True), (9.8, False)])
def test_only_what_saves_time_is_proposed(cost: float, is_faster: bool) -> None:
    found = bought(answers(), 1000, Expected(200, cost))
    assert (found.faster is not None) == is_faster
    (single,) = found.singles
    assert single.gains  # that the peak rises is what the room is for


def test_what_leaves_the_result_as_it_is_is_proposed_together() -> None:
    chosen = answers(training__grad_accumulation=2)
    found = bought(chosen, 1000, Expected(200, 8.0), Expected(200, 9.0), Expected(300, 7.0))
    assert found.faster is not None
    assert found.faster.remedy.changes == {
        "memory.gradient_checkpointing": False,
        "training.batch_size": 8,
        "training.grad_accumulation": 1,
    }
    too_large = bought(chosen, 1000, Expected(200, 8.0), Expected(200, 9.0), Expected(900, 7.0))
    assert too_large.faster is not None
    assert too_large.faster.remedy.changes == {"memory.gradient_checkpointing": False}


def test_what_a_person_has_to_weigh_is_never_proposed() -> None:
    chosen = answers(memory__gradient_checkpointing=False, training__batch_size=2)
    found = bought(chosen, 1000, Expected(200, 5.0))
    assert [item.remedy.changes for item in found.singles] == [{"training.batch_size": 4}]
    assert found.faster is None


def test_when_there_is_room() -> None:
    assert is_roomy(600, 1000)
    assert not is_roomy(601, 1000)
    assert not is_roomy(None, 1000)
