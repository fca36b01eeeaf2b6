"""Remedies: the least intrusive first, none that changes more than it says, and an end to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srwizard.memory.remedies import SMALLEST_PATCH, Surroundings, remedies
from srwizard.settings.answers import Answers
from srwizard.settings.remedy import apply

SHAPE = Surroundings(hr_shape=(80, 120))


def answers(**values: object) -> Answers:
    found = Answers()
    found.set("data.scale", 2)
    for key, value in values.items():
        found.set(key.replace("__", "."), value)
    return found


def test_in_order_of_preference() -> None:
    offered = remedies(answers(memory__use_amp=False, memory__gradient_checkpointing=False), SHAPE)
    assert [remedy.changes for remedy in offered] == [
        {"memory.use_amp": True},
        {"memory.gradient_checkpointing": True},
        {"training.batch_size": 8, "training.grad_accumulation": 2},
        {"training.batch_size": 4, "training.grad_accumulation": 4},
        {"training.batch_size": 4},
        {"memory.patch_size": 40},
    ]
    assert all(remedy.title and remedy.cost for remedy in offered)


def test_nothing_that_is_done_already() -> None:
    offered = remedies(answers(training__batch_size=1), SHAPE)
    assert [remedy.changes for remedy in offered] == [{"memory.patch_size": 40}]


@given(batch=st.integers(2, 200), accumulation=st.integers(1, 8))
def test_the_effective_batch_stays_the_same(batch: int, accumulation: int) -> None:
    chosen = answers(training__batch_size=batch, training__grad_accumulation=accumulation)
    for remedy in remedies(chosen, SHAPE):
        if "training.grad_accumulation" not in remedy.changes:
            continue
        found = chosen.model_copy(deep=True)
        apply(found, remedy)
        assert found.training.batch_size <= batch // 2
        assert found.training.batch_size * found.training.grad_accumulation == batch * accumulation


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
@pytest.mark.parametrize("shape", [(80, 120), (33, 500), (16, 16)])
def test_there_is_an_end_to_them(scale: int, shape: tuple[int, int]) -> None:
    """Applied again and again, as memory.when_tight: apply does."""
    chosen = answers(training__batch_size=24, memory__use_amp=False)
    chosen.set("data.scale", scale)
    around = Surroundings(hr_shape=shape)
    for _ in range(40):
        offered = remedies(chosen, around)
        if not offered:
            break
        apply(chosen, offered[0])
    assert not remedies(chosen, around)
    assert chosen.training.batch_size == 1
    patch = chosen.memory.patch_size
    assert patch is None or (
        patch % scale == 0 and SMALLEST_PATCH * scale <= patch <= min(shape) // 2
    )


def test_more_gpus_share_the_batch() -> None:
    chosen = answers(devices__gpus=[2], training__batch_size=12, memory__use_amp=True)
    offered = remedies(chosen, Surroundings((80, 120), free_gpus=(0, 1, 3, 5)))
    (more,) = [remedy for remedy in offered if remedy.key == "more_gpus"]
    # Five do not divide twelve; four do.
    assert more.changes == {
        "devices.gpus": [2, 0, 1, 3],
        "devices.processes": 4,
        "training.batch_size": 3,
    }
    alone = remedies(answers(training__batch_size=12), Surroundings((80, 120), free_gpus=(1,)))
    assert not [remedy for remedy in alone if remedy.key == "more_gpus"]  # on the CPU


def test_several_processes_can_share_the_weights_out() -> None:
    chosen = answers(devices__processes=2, training__batch_size=1)
    (found,) = [remedy for remedy in remedies(chosen, SHAPE) if "shard" in remedy.key]
    assert found.changes == {"memory.shard": True}
    apply(chosen, found)
    assert not [remedy for remedy in remedies(chosen, SHAPE) if "shard" in remedy.key]
    alone = remedies(answers(), SHAPE)
    assert not [remedy for remedy in alone if "shard" in remedy.key]


@pytest.mark.parametrize(("batch", "each"), [(4, {"training.batch_size": 2}), (1, {})])
def test_weights_sharded_to_more_gpus(batch: int, each: dict[str, int]) -> None:
    """Also where there is no batch left to share."""
    chosen = answers(devices__gpus=[0], training__batch_size=batch)
    offered = remedies(chosen, Surroundings((80, 120), free_gpus=(1,)))
    (found,) = [remedy for remedy in offered if remedy.key == "more_gpus+shard"]
    more = {"devices.gpus": [0, 1], "devices.processes": 2}
    assert found.changes == {**more, **each, "memory.shard": True}


def test_a_lighter_size_of_the_same_model() -> None:
    chosen = answers(model__name="EDSR", data__scale=2)
    chosen.set("model.params", {"num_features": 256, "num_blocks": 32, "res_scale": 0.1})
    lighter = [r for r in remedies(chosen, SHAPE) if r.key == "lighter_model"]
    assert [remedy.changes["model.params"]["num_features"] for remedy in lighter] == [64, 32]
    # Once there is a checkpoint, another network could not go on from it.
    closed = Surroundings((80, 120), model_is_open=False)
    assert not [r for r in remedies(chosen, closed) if r.key == "lighter_model"]


def test_another_model_where_there_is_no_smaller_size() -> None:
    chosen = answers(model__name="EDSR", data__scale=2)
    chosen.set("model.params", {"num_features": 32, "num_blocks": 8, "res_scale": 1.0})
    lighter = [r for r in remedies(chosen, SHAPE) if r.key == "lighter_model"]
    names = [remedy.changes.get("model.name", "EDSR") for remedy in lighter]
    assert set(names) - {"EDSR"}
