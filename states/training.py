"""training: epochs, learning rate, batch, and the rest by default unless asked for."""

from dataclasses import replace

from srwizard.base.i18n import translate as _
from srwizard.prompts.question import Choice, Question
from srwizard.train import trackers
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.option_questions import in_words, questions, titles
from srwizard.wizard.resolve import resolved_training

EXTENTS = {"none": (), "common": ("common",), "all": ("common", "on_request")}
"""What is asked besides what is always asked, by how much of it the user wants to change."""


def run(conversation: Conversation) -> str:
    """Ask for the epochs, then for as much of the rest as the user wants."""
    extent = "none"

    def ask_extent() -> Question:
        return Question(
            key="",
            text=_("The other training parameters"),
            kind="one",
            default="none",
            help=_("Now: {parameters}", parameters=_current(conversation)),
            choices=(
                Choice("none", _("all by default, as shown")),
                Choice("common", _("ask for: {options}", options=titles("training", "common"))),
                Choice("all", _("ask for every one")),
            ),
            check=note_extent,
        )

    def note_extent(value: str) -> str | None:
        nonlocal extent
        extent = value
        return None

    conversation.ask_in_turn(
        [
            *questions(conversation, "training", ["always"]),
            ask_extent,
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
    return "next"


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
