"""training: epochs, learning rate, batch, and the rest by default unless asked for."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from srwizard.base.i18n import labelled
from srwizard.base.i18n import translate as _
from srwizard.memory import forecast
from srwizard.prompts.question import Choice, Question
from srwizard.settings.run_config import RunConfig
from srwizard.settings.training import TrainingAnswers
from srwizard.train import trackers
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.option_questions import in_words, questions, titles
from srwizard.wizard.recipe import (
    RECOMMENDED,
    forget_recipe,
    keep_recipe,
    recommended_here,
    take_recipe,
)
from srwizard.wizard.resolve import resolved_training

EXTENTS = {
    "none": (),
    "common": ("common",),
    "all": ("common", "on_request"),
    RECOMMENDED: (),
}
"""What is asked besides what is always asked, by how much of it the user wants to change."""


def run(conversation: Conversation) -> str:
    """Ask for the epochs, then for as much of the rest as the user wants."""
    answers = conversation.session.answers
    extent = default = RECOMMENDED if answers.training.recipe == RECOMMENDED else "none"

    def ask_extent() -> Question:
        return Question(
            key="",
            text=_("The other training parameters"),
            kind="one",
            default=default,
            help=_("Now: {parameters}", parameters=_current(conversation)),
            choices=(
                Choice("none", _("as shown")),
                Choice("common", _("ask for: {options}", options=titles("training", "common"))),
                Choice("all", _("ask for every one")),
                Choice(
                    RECOMMENDED,
                    _("recommended for {model} and this data", model=answers.model.name),
                    details=partial(_recommended_lines, conversation),
                ),
            ),
            check=note_extent,
        )

    def note_extent(value: str) -> str | None:
        nonlocal extent
        extent = value
        return None

    def note_recipe() -> None:
        with _told_if_slow(conversation, wanted=extent == RECOMMENDED):
            _note_recipe(conversation, wanted=extent == RECOMMENDED)

    conversation.ask_in_turn(
        [
            *questions(conversation, "training", ["always"]),
            ask_extent,
            note_recipe,
            *questions(
                conversation, "training", ["common"], wanted=lambda: "common" in EXTENTS[extent]
            ),
            *questions(
                conversation,
                "training",
                ["on_request"],
                adapt={"trackers": _with_missing_packages},
                wanted=lambda: "on_request" in EXTENTS[extent],
            ),
        ]
    )
    if answers.training.recipe == RECOMMENDED:
        with _told_if_slow(conversation, wanted=True):
            take_recipe(conversation, forecast.fits)
    return "next"


def _told_if_slow(
    conversation: Conversation, *, wanted: bool
) -> contextlib.AbstractContextManager[object]:
    """Say what is going on while the fields are read and memory is predicted."""
    if wanted and conversation.prompts.interactive:
        return conversation.prompts.busy(_("Looking for what suits the model and the data …"))
    return contextlib.nullcontext()


def _note_recipe(conversation: Conversation, *, wanted: bool) -> None:
    """Leave open what the recipe is to decide, or make answers of what it has decided before."""
    answers = conversation.session.answers
    if not conversation.prompts.interactive or wanted == (answers.training.recipe == RECOMMENDED):
        return
    if not wanted:
        keep_recipe(conversation)
        answers.forget("training.recipe")
        return
    forget_recipe(conversation)
    answers.set("training.recipe", RECOMMENDED)
    for one in recommended_here(conversation, _presumably):
        # The epochs were asked for just before: they count where they were changed.
        if one.key != "training.epochs" or answers.get(one.key) == TrainingAnswers().epochs:
            answers.forget(one.key)


def _recommended_lines(conversation: Conversation) -> Iterator[str]:
    for one in recommended_here(conversation, _presumably):
        yield labelled(f"{one.title} {one.value}", one.reason)


def _presumably(_run: RunConfig) -> bool:
    """Take for granted that a run fits: it is looked at once the recipe is taken."""
    return True


def _current(conversation: Conversation) -> str:
    """Return the parameters as they stand, but for those that are always asked for."""
    values = resolved_training(conversation.session.answers).model_dump()
    return ", ".join(
        f"{declared.title} {text}"
        for declared, text in in_words(conversation, "training", values)
        if declared.option.asked != "always"
    )


def _with_missing_packages(question: Question) -> Question:
    """Let no tracker be chosen whose package is not installed."""
    choices = tuple(
        choice
        if trackers.is_installed(choice.value)
        else replace(choice, disabled=trackers.missing_text(choice.value))
        for choice in question.choices
    )
    return replace(question, choices=choices)
