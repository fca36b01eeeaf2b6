"""The recommended recipe in a conversation: worked out for its model and data, taken as answers."""

from collections.abc import Callable
from functools import lru_cache

from srwizard.data.dataset import Dataset
from srwizard.models.catalog import card
from srwizard.settings.answers import Answers, model_parameters
from srwizard.settings.recipe import Facts, Recommended, few_fields_batch, recommended
from srwizard.settings.run_config import RunConfig
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
    largest = _largest_batch(conversation, few_fields_batch(facts.steps), fits)
    chosen = card(answers.model.name or "")
    return recommended(chosen, model_parameters(answers.model), facts, largest_batch=largest)


def take_recipe(conversation: Conversation, fits: Fits) -> list[Recommended]:
    """Take what is recommended for all that is not decided otherwise, and return that.

    What was taken for another model or dataset before is given up; what the user has decided since
    stays.
    """
    session = conversation.session
    forget_recipe(conversation)
    found = [
        one for one in recommended_here(conversation, fits) if not session.answers.has(one.key)
    ]
    for one in found:
        session.answers.set(one.key, one.value)
    session.recipe = {one.key: one.value for one in found}
    return found


def forget_recipe(conversation: Conversation) -> None:
    """Give up the answers that were taken from a recipe and not changed since."""
    answers, session = conversation.session.answers, conversation.session
    for key, value in session.recipe.items():
        if answers.has(key) and answers.get(key) == value:
            answers.forget(key)
    session.recipe = {}


@lru_cache(maxsize=4)
def _facts(dataset: Dataset, names: tuple[str, ...], scale: int) -> Facts:
    """Return what the data say; read once for a dataset as it was found, not for each question."""
    from srwizard.data.spectrum import reach

    first = dataset.summary.variable(names[0])
    return Facts(
        steps=dataset.summary.steps["train"],
        scale=scale,
        lr_shape=first.lr_shape,
        reach=max(reach(dataset.contents, name) for name in names),
        land_share=first.land_share,
        block_means=is_block_means(dataset, names, scale),
    )


def _largest_batch(conversation: Conversation, wanted: int, fits: Fits) -> int:
    """Return the largest batch up to `wanted`, half as large each time, that fits; at least 1."""
    size = wanted
    while size > 1 and not fits(resolve(conversation, _with_batch(conversation, size))):
        size //= 2
    return size


def _with_batch(conversation: Conversation, size: int) -> Answers:
    changed = conversation.session.answers.model_copy(deep=True)
    changed.set("training.batch_size", size)
    return changed
