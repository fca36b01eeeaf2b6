"""The recommended recipe in a conversation: worked out for its model and data, taken as answers."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from srwizard.data.dataset import Dataset
from srwizard.models.card import ModelCard
from srwizard.models.catalog import card
from srwizard.settings.answers import Answers, model_parameters
from srwizard.settings.recipe import (
    Facts,
    Given,
    Recommended,
    Room,
    few_fields_batch,
    patch_sides,
    recommended,
)
from srwizard.settings.run_config import RunConfig
from srwizard.settings.training import TrainingAnswers
from srwizard.wizard.chosen_dataset import chosen_variables, opened_dataset
from srwizard.wizard.conserving import is_block_means
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.resolve import resolve

RECOMMENDED = "recommended"
Fits = Callable[[RunConfig], bool]
"""Tells whether a run fits into memory."""


def recommended_here(conversation: Conversation, fits: Fits) -> list[Recommended]:
    """Return what is recommended for the chosen model and dataset.

    Raises:
        DatasetError, OSError, ValueError: the dataset cannot be read.
    """
    answers, dataset = conversation.session.answers, opened_dataset(conversation)
    names = tuple(one.name for one in chosen_variables(conversation, dataset.summary))
    facts = _facts(dataset, names, answers.data.scale or 1)
    chosen, params = card(answers.model.name or ""), model_parameters(answers.model)
    given = _given(conversation)
    room = _room(conversation, chosen, params, facts, given, fits)
    return recommended(chosen, params, facts, room, given)


def take_recipe(conversation: Conversation, fits: Fits) -> list[Recommended]:
    """Take what is recommended for all that is not decided, and return what is decided otherwise.

    What was taken for another model or dataset before is given up; what the user has decided since
    stays.
    """
    session = conversation.session
    forget_recipe(conversation)
    found = recommended_here(conversation, fits)
    decided = [one for one in found if session.answers.has(one.key)]
    session.recipe = {one.key: one.value for one in found if one not in decided}
    for key, value in session.recipe.items():
        session.answers.set(key, value)
    return [one for one in decided if session.answers.get(one.key) != one.value]


def forget_recipe(conversation: Conversation) -> None:
    """Give up the answers that were taken from a recipe and not changed since."""
    answers, session = conversation.session.answers, conversation.session
    for key, value in session.recipe.items():
        if answers.has(key) and answers.get(key) == value:
            answers.forget(key)
    session.recipe = {}


def keep_recipe(conversation: Conversation) -> None:
    """Let the answers that were taken from a recipe be the user's own, to be changed one by one."""
    conversation.session.recipe = {}


def _given(conversation: Conversation) -> Given:
    """Return what was decided, and not taken from a recipe.

    Epochs that a person has left as they were offered are not.
    """
    answers, taken = conversation.session.answers, conversation.session.recipe

    def decided(key: str) -> int | None:
        value: int | None = answers.get(key) if answers.has(key) else None
        return None if key in taken and taken[key] == value else value

    epochs = decided("training.epochs")
    if conversation.prompts.interactive and epochs == TrainingAnswers().epochs:
        epochs = None
    return Given(
        epochs,
        decided("training.batch_size"),
        decided("training.eval_freq"),
        decided("memory.patch_size"),
        decided("training.grad_accumulation") or 1,
        resolve(conversation, answers).devices.world_size,
    )


@lru_cache(maxsize=4)
def _facts(dataset: Dataset, names: tuple[str, ...], scale: int) -> Facts:
    """Return what the data say; read once for a dataset as it was found, not for each question."""
    from srwizard.data.spectrum import reaches

    first = dataset.summary.variable(names[0])
    found = [reaches(dataset.contents, name) for name in names]
    return Facts(
        steps=dataset.summary.steps["train"],
        validated=dataset.summary.steps["valid"],
        scale=scale,
        lr_shape=first.lr_shape,
        reaches=(max(y for y, _x in found), max(x for _y, x in found)),
        land_share=first.land_share,
        block_means=is_block_means(dataset, names, scale),
    )


def _room(
    conversation: Conversation,
    chosen: ModelCard,
    params: Mapping[str, Any],
    facts: Facts,
    given: Given,
    fits: Fits,
) -> Room:
    """Return the largest batch that fits, of whole fields, or else of the largest patches."""
    wanted = given.batch or few_fields_batch(facts.steps // given.world)
    halves = [wanted >> times for times in range(1 if given.batch else wanted.bit_length())]
    patches = patch_sides(chosen, params, facts)
    smallest = patches[-1] if patches else None
    rooms = [
        *(Room(batch) for batch in halves),
        *(Room(wanted, patch) for patch in patches),
        *(Room(batch, smallest) for batch in halves[1:]),
    ]
    fitting = (room for room in rooms if fits(resolve(conversation, _with(conversation, room))))
    return next(fitting, Room(1, smallest))


def _with(conversation: Conversation, room: Room) -> Answers:
    changed = conversation.session.answers.model_copy(deep=True)
    changed.set("training.batch_size", room.batch)
    if room.patch is not None:
        changed.set("memory.patch_size", room.patch)
    return changed
