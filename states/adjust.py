"""adjust: memory is short, or training failed; change the answers, or accept the risk."""

import json
from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from srwizard.conversation import Conversation
from srwizard.errors import DoesNotFitError, InterruptedByUserError, NeedsPersonError
from srwizard.i18n import translate as _
from srwizard.memory.measure import FILE_NAME
from srwizard.memory.remedies import Remedy, apply, remedies
from srwizard.prompts import Choice, Question
from srwizard.states.data import chosen_dataset, chosen_variables
from srwizard.states.frozen import run_directory

SEVERAL, EDIT, ACCEPT, QUIT = "several", "edit", "accept", "quit"


def run(conversation: Conversation) -> str:
    """Show the remedies and let a person, or memory.when_tight, decide."""
    variables = chosen_variables(conversation, chosen_dataset(conversation))
    offered = remedies(conversation.session.answers, variables[0].hr_shape)
    conversation.show(remedies_table(offered))
    if conversation.prompts.interactive:
        return _ask(conversation, offered)
    return _decide(conversation, offered)


def remedies_table(offered: Sequence[Remedy]) -> Table:
    """Return the remedies as a numbered table."""
    table = Table(title=_("What can be changed"), title_justify="left")
    table.add_column(_("No."))
    table.add_column(_("Remedy"), overflow="fold")
    table.add_column(_("Cost"), overflow="fold")
    for number, remedy in enumerate(offered, start=1):
        table.add_row(str(number), Text(remedy.title), Text(remedy.cost))
    return table


def _verdict(conversation: Conversation) -> str | None:
    """Return the verdict on the config as it is frozen now."""
    try:
        found = json.loads((run_directory(conversation) / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = found.get("digest") == conversation.session.digest
    return str(found["verdict"]) if same else None


def _ask(conversation: Conversation, offered: Sequence[Remedy]) -> str:
    """Let a person pick remedies, edit, or accept what is tight; return the trigger."""
    choices = [*_numbered(offered)]
    if len(offered) > 1:
        choices.append(Choice(SEVERAL, _("Several of these …")))
    choices.append(Choice(EDIT, _("Edit the answers myself")))
    if _verdict(conversation) == "tight":
        choices.append(Choice(ACCEPT, _("Launch all the same, although it is tight")))
    choices.append(Choice(QUIT, _("Save and quit")))
    chosen = conversation.ask(
        Question("", _("What shall be changed?"), "one", choices[0].value, choices=tuple(choices))
    )
    if chosen == QUIT:
        raise InterruptedByUserError(
            _("the session is saved"),
            _("Go on with: srwizard resume {id}", id=conversation.session.id),
        )
    if chosen == ACCEPT:
        return "accepted"
    for number in _picked(conversation, offered, chosen):
        apply(conversation.session.answers, offered[number])
    return "changed"


def _numbered(offered: Sequence[Remedy]) -> Iterator[Choice]:
    for number, remedy in enumerate(offered):
        yield Choice(number, f"{number + 1}. {remedy.title}")


def _picked(conversation: Conversation, offered: Sequence[Remedy], chosen: object) -> list[int]:
    """Return the numbers of the remedies to apply."""
    if isinstance(chosen, int):
        return [chosen]
    if chosen != SEVERAL:
        return []
    question = Question(
        "",
        _("Which of them?"),
        "several",
        default=[],
        help=_("They are applied in this order; of two that set the same, the later counts."),
        choices=tuple(_numbered(offered)),
        check=lambda marked: None if marked else _("mark at least one"),
    )
    marked: list[int] = conversation.ask(question)
    return marked


def _decide(conversation: Conversation, offered: Sequence[Remedy]) -> str:
    """Follow memory.when_tight.

    Raises:
        DoesNotFitError: it says to stop, or nothing is left to do.
        NeedsPersonError: training failed, and what to change is a person's decision.
    """
    verdict, policy = _verdict(conversation), conversation.session.answers.memory.when_tight
    if verdict in (None, "fits"):
        raise NeedsPersonError(
            _("stopped: what to change after a failure is a person's decision"),
            _("Go on by hand: srwizard resume {id}", id=conversation.session.id),
        )
    if policy == "accept" and verdict == "tight":
        return "accepted"
    if policy == "apply" and offered:
        apply(conversation.session.answers, offered[0])
        return "changed"
    message = (
        _("the run is tight in memory; nothing was launched")
        if verdict == "tight"
        else _("the run does not fit in memory; nothing was launched")
    )
    raise DoesNotFitError(
        message,
        _("Set memory.when_tight to apply or accept, or change it by hand: srwizard resume {id}",
          id=conversation.session.id),
    )  # fmt: skip
