"""The simple methods that a network has to beat, settled while questions are asked."""

import math
import time
from collections.abc import Callable, Iterable

from srwizard.base.errors import DatasetError
from srwizard.base.i18n import translate as _
from srwizard.base.visible import in_one_line
from srwizard.data.baselines.beside import Beside
from srwizard.data.baselines.beside import begin as begin_beside
from srwizard.data.baselines.choice import STANDARD, method_title
from srwizard.data.inspect import scale_of
from srwizard.prompts.progress import Progress
from srwizard.settings.answers import training_defaults
from srwizard.wizard.chosen_dataset import chosen_dataset, chosen_variables, opened_dataset
from srwizard.wizard.conversation import Conversation

SECONDS_BETWEEN_LOOKS = 0.1


def begin(conversation: Conversation) -> None:
    """Settle in the background what is not known yet of the chosen variables.

    What is at work on them already goes on. In the answers-file way nobody waits meanwhile, and
    nothing is begun.
    """
    if not conversation.prompts.interactive:
        return
    dataset = opened_dataset(conversation)
    chosen = chosen_variables(conversation, chosen_dataset(conversation))
    scales = {one.name: scale_of(one.hr_shape, one.lr_shape) or 1 for one in chosen}
    present = conversation.simple_methods
    if present is not None:
        more_to_come = present.look()
        of_others = more_to_come and present.pending - scales.keys()
        if present.dataset is dataset and scales.keys() <= present.scales.keys() and not of_others:
            return
    stop(conversation)
    try:
        conversation.simple_methods = begin_beside(dataset, scales, _normalization(conversation))
    except DatasetError:
        return  # whoever needs it next says so


def _normalization(conversation: Conversation) -> str:
    answers = conversation.session.answers
    if answers.model.name is None or answers.has("training.normalization"):
        return answers.training.normalization
    return training_defaults(answers.model.name).normalization


def stop(conversation: Conversation) -> None:
    """End what is at work in the background; what it has settled already stays known."""
    if conversation.simple_methods is not None:
        conversation.simple_methods.stop()
    conversation.simple_methods = None


def wait(conversation: Conversation, progress: Progress) -> None:
    """Wait for what is at work in the background, if anything is, and end it."""
    while conversation.simple_methods is not None and conversation.simple_methods.look():
        progress(*conversation.simple_methods.steps)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    stop(conversation)


def to_beat(conversation: Conversation, variables: Iterable[str]) -> list[str]:
    """Return a line for each variable, where a person reads it: the RMSE to beat."""
    if conversation.simple_methods is None:
        return []
    return [f"{in_one_line(name)}: {text_of(conversation, name)}" for name in variables]


def news(conversation: Conversation, variables: Iterable[str]) -> Callable[[], list[str]] | None:
    """Return what says of the variables that are being settled how far they are, and what is found.

    None where all are settled.
    """
    beside = conversation.simple_methods
    if beside is None or not beside.look():
        return None
    pending = [name for name in variables if name in beside.pending]
    return lambda: to_beat(conversation, pending)


def text_of(conversation: Conversation, variable: str) -> str:
    """Return the RMSE that a network has to beat, or how far it is worked out."""
    beside = conversation.simple_methods
    if beside is None:
        return _("worked out when the answers are frozen")
    more_to_come = beside.look()
    if variable in beside.found:
        return _rmse_text(beside, variable)
    if variable in beside.problems:
        return _("could not be worked out: {problem}", problem=beside.problems[variable])
    if not more_to_come:
        return _("worked out when the answers are frozen")
    done, total = beside.steps
    if not total:
        return _("being worked out …")
    return _("being worked out … {percent} %", percent=100 * done // total)


def _rmse_text(beside: Beside, variable: str) -> str:
    found = beside.found[variable]
    best, bicubic = (found.scores[choice] for choice in (found.best, STANDARD[0]))
    if math.isnan(best):
        return _("the validation split has no values to score on")
    if found.best == STANDARD[0]:
        return _("RMSE {best:.4g} by bicubic interpolation", best=best)
    return _(
        "RMSE {best:.4g} by {method}; bicubic {bicubic:.4g}",
        best=best,
        method=method_title(found.best.name),
        bicubic=bicubic,
    )
