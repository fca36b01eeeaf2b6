"""The questions that the declared options ask: text, help, default, limits, choices, order."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from srwizard.base.i18n import in_a_row, listed
from srwizard.base.i18n import translate as _
from srwizard.prompts.question import Choice, Question
from srwizard.settings.answers import key_problem
from srwizard.settings.option import Asked, Circumstances
from srwizard.settings.options import Declared, all_options, option_named, options
from srwizard.wizard.conversation import Conversation, Maker

Adapt = Callable[[Question], Question | None]
"""Fits a question to the machine or the data; None where there is nothing to ask after all."""


def question(conversation: Conversation, key: str) -> Question:
    """Return the question of an option ("training.epochs"), as it is declared.

    Raises:
        KeyError: there is no such option.
    """
    declared = option_named(key)
    if declared is None:
        raise KeyError(key)
    model = conversation.session.answers.model.name
    choices = tuple(Choice(each.name, each.text) for each in declared.option.choices)
    left_open = declared.kind == "yes_no" and declared.option.none
    if left_open:
        automatic = _("automatic: {meaning}", meaning=_(left_open))
        choices = (Choice(None, automatic), Choice(True, _("yes")), Choice(False, _("no")))
    return Question(
        key=key,
        text=declared.title,
        kind="one" if left_open else declared.kind,
        default=declared.default(model),
        help=declared.help(),
        choices=choices,
        check=lambda value: key_problem(key, value),
        optional=bool(declared.option.none),
    )


def questions(
    conversation: Conversation,
    section: str,
    asked: Collection[Asked],
    *,
    adapt: Mapping[str, Adapt] | None = None,
    leave_out: Collection[str] = (),
    wanted: Callable[[], bool] = lambda: True,
) -> list[Maker]:
    """Return makers of the questions of a section, in the order in which they are declared.

    Args:
        conversation: whose answers tell which of them count.
        section: of the answers.
        asked: when those are asked that are meant.
        adapt: what is to be done to the questions of some options, by name.
        leave_out: options that are asked for elsewhere.
        wanted: whether they are to be put at all; looked at before each.
    """

    def maker(declared: Declared) -> Maker:
        def make() -> Question | None:
            if not (wanted() and declared.applies(circumstances(conversation))):
                return None
            found = question(conversation, declared.key)
            fit = (adapt or {}).get(declared.name)
            return fit(found) if fit is not None else found

        return make

    return [
        maker(declared)
        for declared in options(section)
        if declared.option.asked in asked and declared.name not in leave_out
    ]


def titles(section: str, asked: Asked) -> str:
    """Return what the options of a section are called that are asked for then, in one line."""
    return listed(one.title for one in options(section) if one.option.asked == asked)


def circumstances(conversation: Conversation) -> Circumstances:
    """Return what decides which options count."""
    # With it comes NumPy, whose import would keep the very first question waiting.
    from srwizard.wizard.chosen_dataset import chosen_dataset

    return Circumstances(
        conversation.session.answers, static_fields=tuple(chosen_dataset(conversation).statics)
    )


def without_effect(conversation: Conversation) -> list[str]:
    """Return a sentence for each answer that counts for nothing as the others are.

    What is answered as it is by default has nobody expect anything of it.
    """
    answers, at = conversation.session.answers, circumstances(conversation)
    return [
        in_a_row(
            [
                _(
                    "{option} ({key}: {value}) has no effect here.",
                    option=declared.title,
                    key=declared.key,
                    value=declared.value_text(answers.get(declared.key)),
                ),
                declared.condition(),
            ]
        )
        for declared in all_options()
        if answers.has(declared.key)
        and answers.get(declared.key) != declared.default(answers.model.name)
        and not declared.applies(at)
    ]


def in_words(
    conversation: Conversation,
    section: str,
    values: Mapping[str, Any],
    *,
    leave_out: Collection[str] = (),
) -> list[tuple[Declared, str]]:
    """Return a section's options and their values in words, as an overview shows them.

    Those that people often change are there, those to be reviewed, and any that differs from what
    it is by default; but none that does not count as things are.

    Args:
        conversation: whose answers tell which of them count.
        section: of the answers.
        values: by name; options without one are left out.
        leave_out: options that are shown elsewhere.
    """
    at = circumstances(conversation)

    def shown(declared: Declared) -> bool:
        option = declared.option
        of_interest = option.reviewed or option.asked in ("always", "common")
        changed = values[declared.name] != declared.default()
        # Of nothing chosen there is nothing to say.
        nothing = values[declared.name] == [] and not changed
        return (of_interest or changed) and not nothing and declared.applies(at)

    return [
        (declared, declared.value_text(values[declared.name]))
        for declared in options(section)
        if declared.name in values and declared.name not in leave_out and shown(declared)
    ]
