"""The questions about the parameters of the chosen network, and what is wrong with answers."""

from collections.abc import Iterator
from typing import Any

from srwizard.base.errors import UsageError
from srwizard.base.i18n import language, listed
from srwizard.base.i18n import translate as _
from srwizard.base.typed_paths import expand
from srwizard.models import weights_file
from srwizard.models.catalog import (
    ModelCard,
    Parameter,
    card,
    problems,
    resolve_parameters,
    saved_parameters,
)
from srwizard.models.working_values import Grid, proposed, works_instead
from srwizard.prompts.question import Choice, Question
from srwizard.settings.answers import Answers
from srwizard.settings.changes import value_text
from srwizard.settings.model import model_parameters
from srwizard.wizard.chosen_dataset import chosen_dataset, chosen_variables
from srwizard.wizard.conversation import Conversation
from srwizard.wizard.resolve import has_global_skip
from srwizard.wizard.skip import NONE, trained_skip, wanted_skip


def parameter_question(
    conversation: Conversation, chosen: ModelCard, parameter: Parameter
) -> Question:
    """Return the question of a parameter; what cannot work with those before it is refused."""
    params, grid = model_parameters(conversation.session.answers.model), _grid(conversation)
    default = proposed(chosen, params, parameter, grid)

    def check(value: Any) -> str | None:
        try:
            resolve_parameters(chosen, {parameter.name: value})
        except UsageError as error:
            return error.message
        return _cannot_work(chosen, {**params, parameter.name: default}, parameter, grid, value)

    key = f"model.params.{parameter.name}"
    if default != params[parameter.name]:
        conversation.session.answers.forget(key)  # it no longer works with those before it
    return Question(
        key=key,
        text=parameter.name,
        kind="one" if parameter.choices else _KINDS[parameter.kind],
        default=list(default) if isinstance(default, (tuple, list)) else default,
        help=parameter.help_zh if language() == "zh" else parameter.help_en,
        details=(_limits_and_default(parameter),),
        choices=tuple(Choice(value, str(value)) for value in parameter.choices or ()),
        check=check,
    )


def _limits_and_default(parameter: Parameter) -> str:
    limits = parameter.bounds()
    parts = [_("allowed: {limits}", limits=limits)] if limits else []
    parts.append(_("default: {default}", default=value_text("", parameter.default)))
    return "; ".join(parts)


def _cannot_work(
    chosen: ModelCard, params: dict[str, Any], parameter: Parameter, grid: Grid, answer: Any
) -> str | None:
    """Say why a parameter cannot work with those answered before it, and what would; or None."""
    found = works_instead(chosen, params, parameter, grid, answer)
    if found is None:
        return None
    given = {**params, parameter.name: answer}
    wrong = "; ".join(problems(chosen, given, grid.scale, grid.lr_shape))
    return _(
        "{problem} What would work: {values}",
        problem=wrong,
        values=_(" or ").join(value_text("", value) for value in found),
    )


def _grid(conversation: Conversation) -> Grid:
    variables = chosen_variables(conversation, chosen_dataset(conversation))
    return Grid(conversation.session.answers.data.scale or 1, variables[0].lr_shape)


_KINDS: dict[str, Any] = {"int": "int", "float": "float", "str": "text", "ints": "ints"}


def parameter_problems(conversation: Conversation) -> list[str]:
    """Return what is wrong with the chosen model and its parameters on the chosen data."""
    answers = conversation.session.answers
    chosen = card(answers.model.name or "")
    grid = _grid(conversation)
    return problems(chosen, model_parameters(answers.model), grid.scale, grid.lr_shape)


def weights_problems(conversation: Conversation) -> list[str]:
    """Return where the file of weights to begin from is of another network."""
    answers = conversation.session.answers
    if answers.model.weights is None:
        return []
    found = weights_file.describe(expand(answers.model.weights))
    theirs = saved_parameters(card(answers.model.name or ""), found.params)
    variables = chosen_variables(conversation, chosen_dataset(conversation))
    wanted = {
        "model.name": (found.model, answers.model.name),
        **{
            f"model.params.{name}": (theirs.get(name), value)
            for name, value in model_parameters(answers.model).items()
            if name not in weights_file.FREE
        },
        "data.scale": (found.scale, answers.data.scale),
        "model.global_skip": (found.global_skip, has_global_skip(answers)),
        _("input channels"): (
            found.in_channels,
            len(variables) + len(answers.data.static_variables),
        ),
        _("output channels"): (found.out_channels, len(variables)),
    }
    return _guide_problems(found.guides, conversation) + [
        _("the weights are for {key} {theirs}, not {ours}", key=key, theirs=has, ours=ours)
        for key, (has, ours) in wanted.items()
        if has != ours
    ]


def _guide_problems(theirs: list[str], conversation: Conversation) -> list[str]:
    """Say so where weights were trained with other guides.

    Static ones come first in the network, whatever their order in the answers.
    """
    ours = conversation.session.answers.data.guides
    if not theirs and ours:
        return [_("the weights see no guides; leave data.guides out")]
    varying = {variable.name for variable in chosen_dataset(conversation).variables}
    in_order = sorted(ours, key=lambda name: name in varying)
    if theirs in (ours, in_order):
        return []
    return [
        _("the weights see the guides {theirs}; set data.guides to them", theirs=listed(theirs))
    ]


def weights_notices(answers: Answers) -> Iterator[str]:
    """Say so where weights are to begin from a skip that they may never have seen.

    Not refused: those of a run that had this skip are right with it.
    """
    skip, weights = wanted_skip(answers), answers.model.weights
    if weights is None or has_global_skip(answers):
        return
    if skip not in (NONE, trained_skip(weights)):
        yield _(
            "model.skip: {skip} adds what the weights in {path} give to what that method gives. "
            "This is right only if they were trained so; for weights from elsewhere use "
            "model.skip: none.",
            skip=skip,
            path=expand(weights),
        )
