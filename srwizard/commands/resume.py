"""`srwizard resume`: go on with an unfinished session."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from srwizard.base.errors import InterruptedByUserError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.commands.in_terminal import conversation_in_terminal
from srwizard.commands.options import command, console, detach_option

if TYPE_CHECKING:
    from srwizard.wizard.session import Session


@command(_("Continue an unfinished session."))
@click.argument("session", required=False, metavar=_("[SESSION]"))
@detach_option
def resume(session: str | None, detach: bool) -> None:
    from srwizard.wizard import machine
    from srwizard.wizard import session as sessions

    found = sessions.load(sessions.find(session)) if session else _choose_session()
    machine.resume(conversation_in_terminal(found, None, detach))


def _choose_session() -> "Session":
    from srwizard.prompts.question import Back, Choice, Question, require_terminal
    from srwizard.prompts.terminal import TerminalPrompts
    from srwizard.wizard import session as sessions

    found = sessions.unfinished()
    if not found:
        raise UsageError(_("there is no unfinished session"), _("Start one with: srwizard"))
    if len(found) == 1:
        return found[0]
    require_terminal()
    choices = tuple(
        Choice(
            place,
            " · ".join([_what_for(item), sessions.stage_text(item), sessions.age_text(item)]),
            _in_use(item),
            details=partial(_session_details, item),
        )
        for place, item in enumerate(found)
    )
    question = Question("", _("Which session?"), "one", 0, choices=choices)
    try:
        chosen: int = TerminalPrompts(console).ask(question, 0, given=False)
    except (Back, KeyboardInterrupt):
        raise InterruptedByUserError(
            _("no session was chosen; all are unchanged"),
            _("See them again with: srwizard resume"),
        ) from None
    return found[chosen]


def _what_for(session: "Session") -> str:
    """Return the dataset of a session and, once it is known, the name of the run."""
    answers = session.answers
    run = f" → {Path(answers.output.dir).name}" if answers.output.dir else ""
    return f"{answers.data.root or '-'}{run}"


def _in_use(session: "Session") -> str | None:
    from srwizard.base.locks import holder

    found = holder(session.lock_path)
    return _("in use by {holder}", holder=found) if found is not None else None


def _session_details(session: "Session") -> list[str]:
    answers = session.answers
    return [
        _("Session {id}", id=session.id),
        _("Run directory: {path}", path=answers.output.dir or "-"),
        _("Model: {model}", model=answers.model.name or "-"),
    ]
