"""What is recommended for a model and a dataset."""

from dataclasses import replace

import pytest

from srwizard.models.card import Recipe
from srwizard.models.catalog import card, cards, problems, resolve_parameters
from srwizard.settings.answers import key_problem
from srwizard.settings.recipe import (
    KEYS,
    Facts,
    Given,
    Recommended,
    Room,
    few_fields_batch,
    patch_sides,
    recommended,
)

FACTS = Facts(steps=255, validated=55, scale=4, lr_shape=(170, 360), reaches=(10, 20))


def found(name: str, facts: Facts = FACTS, room: Room | None = None) -> dict[str, Recommended]:
    it = card(name)
    return {one.key: one for one in recommended(it, resolve_parameters(it, {}), facts, room)}


@pytest.mark.parametrize("name", cards())
@pytest.mark.parametrize("steps", [1, 38, 255, 20_000])
def test_all_values_can_be_answered_and_have_a_reason(name: str, steps: int) -> None:
    for one in found(name, replace(FACTS, steps=steps)).values():
        assert one.reason
        assert one.title
        if one.key.startswith("training."):
            assert key_problem(one.key, one.value) is None


def test_few_fields_are_trained_in_small_batches_and_many_epochs() -> None:
    few, some, many = (
        {key: found("EDSR", replace(FACTS, steps=steps))[f"training.{key}"].value
         for key in ("batch_size", "epochs")}
        for steps in (38, 255, 20_000)
    )  # fmt: skip
    assert few == {"batch_size": 2, "epochs": 105}
    assert some == {"batch_size": 8, "epochs": 118}
    assert many == {"batch_size": 16, "epochs": 13}
    assert [few_fields_batch(steps) for steps in (0, 1, 31, 32, 256)] == [1, 1, 1, 2, 16]


def test_patches_are_trained_on_for_longer() -> None:
    it, small = card("EDSR"), replace(FACTS, lr_shape=(32, 64))

    def epochs(patch: int | None, facts: Facts = small) -> int:
        wanted = recommended(it, resolve_parameters(it, {}), facts, given=Given(patch=patch))
        return int(next(one.value for one in wanted if one.key == "training.epochs"))

    assert epochs(64) == pytest.approx(epochs(None) * 8**0.5, rel=0.02)
    assert epochs(1000) == epochs(None)
    assert epochs(64, FACTS) == 500  # of a mission's fields, at most


def test_a_batch_that_does_not_fit_is_made_smaller_and_says_so() -> None:
    smaller = found("EDSR", room=Room(2))
    assert smaller["training.batch_size"].value == 2
    assert "memory" in smaller["training.batch_size"].reason
    assert smaller["training.epochs"].value < found("EDSR")["training.epochs"].value


def test_what_is_decided_already_counts() -> None:
    it = card("FNO2d")

    def values(**decided: int) -> dict[str, int]:
        wanted = recommended(it, resolve_parameters(it, {}), FACTS, given=Given(**decided))
        return {one.key.removeprefix("training."): one.value for one in wanted}

    alone = values()
    # As many optimizer steps, however many samples one of them takes.
    for decided in ({"world": 4}, {"batch": 2}, {"accumulation": 4}, {"batch": 2, "world": 2}):
        found = values(**decided)
        batch = decided.get("batch") or found["batch_size"]
        together = batch * decided.get("world", 1) * decided.get("accumulation", 1)
        steps = -(-FACTS.steps // together) * found["epochs"]
        assert steps == pytest.approx(32 * alone["epochs"], rel=0.02), decided
    assert values(world=4)["batch_size"] == alone["batch_size"] // 4
    long = values(epochs=1000)
    assert (long["warmup_epochs"], long["patience"]) == (50, 250)
    assert values(epochs=1000, eval_freq=10)["patience"] == 25


def test_every_key_is_among_those_that_a_recipe_decides() -> None:
    fields = replace(FACTS, block_means=True)
    keys = {key for name in cards() for key in found(name, fields, Room(8, 64))}
    assert keys == set(KEYS)


def test_the_modes_reach_as_far_as_the_variance() -> None:
    modes = [
        found("FNO2d", replace(FACTS, reaches=(1, reach)))["model.params.modes"].value
        for reach in (1, 20, 500)
    ]
    assert modes[:2] == [4, 21]
    it = card("FNO2d")
    most = resolve_parameters(it, {"modes": modes[2]})
    assert modes[2] > 100
    assert problems(it, most, FACTS.scale, FACTS.lr_shape) == []
    assert "model.params.modes" not in found("EDSR")


def test_what_is_a_networks_own_comes_from_its_card() -> None:
    it = replace(card("EDSR"), recipe=Recipe(lr=0.003, warmup=0.1, clip_grad_norm=0.5))
    values = {one.key: one.value for one in recommended(it, resolve_parameters(it, {}), FACTS)}
    assert values["training.lr"] == 0.003
    assert values["training.clip_grad_norm"] == 0.5
    assert values["training.warmup_epochs"] == round(0.1 * values["training.epochs"])


def test_block_means_are_conserved_where_lr_is_made_of_them() -> None:
    made = replace(FACTS, block_means=True)
    assert found("EDSR", made)["model.conserve"].value == "additive"
    assert "model.conserve" not in found("EDSR")
    assert "model.conserve" not in found("DDPM", made)


def test_patience_counts_validations() -> None:
    standard, diffusion = found("EDSR"), found("DDPM")
    assert standard["training.patience"].value == round(standard["training.epochs"].value / 4)
    assert diffusion["training.patience"].value == 5


def test_validations_take_no_longer_than_the_training_on_patches_between_them() -> None:
    """A validation goes through 55 whole fields; an epoch on 255 patches is a 17th of that."""
    it = card("EDSR")

    def values(patch: int | None, **decided: int) -> dict[str, int]:
        given = Given(patch=patch, **decided)
        wanted = recommended(it, resolve_parameters(it, {}), FACTS, given=given)
        return {one.key.removeprefix("training."): one.value for one in wanted}

    assert "eval_freq" not in values(None)
    assert "eval_freq" not in values(512)  # 0.26 of an epoch
    assert values(128, epochs=500)["eval_freq"] == 5  # 4.3 epochs
    small = values(64, epochs=500)
    assert (small["eval_freq"], small["patience"]) == (18, round(500 / 18 / 4))
    # Some remain, among which the best checkpoint is chosen.
    assert values(64, epochs=50)["eval_freq"] == 5
    assert "eval_freq" not in values(64, epochs=15)


def test_patches_hold_enough_waves_and_take_the_place_of_fields_that_do_not_fit() -> None:
    it = card("EDSR")
    assert pytest.approx(4 * 17) == FACTS.wave  # 170 LR points hold 10 of them
    assert patch_sides(it, resolve_parameters(it, {}), FACTS) == [340]
    finer = replace(FACTS, reaches=(60, 60))
    assert patch_sides(it, resolve_parameters(it, {}), finer) == [340, 168, 84]
    assert patch_sides(it, resolve_parameters(it, {}), replace(FACTS, reaches=(1, 1))) == []
    assert patch_sides(card("FNO2d"), resolve_parameters(card("FNO2d"), {}), finer) == []
    assert "memory.patch_size" not in found("EDSR")
    one = found("EDSR", FACTS, Room(8, 340))["memory.patch_size"]
    assert one.value == 340
    assert "5 wavelengths of 68 points" in one.reason
