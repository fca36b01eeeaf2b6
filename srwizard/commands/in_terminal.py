"""A conversation with the person at the terminal."""

from typing import TYPE_CHECKING

from rich.text import Text

from srwizard.base.i18n import translate as _
from srwizard.base.version import __version__
from srwizard.commands.options import console

if TYPE_CHECKING:
    from srwizard.wizard.conversation import Conversation
    from srwizard.wizard.session import Session


def conversation_in_terminal(
    session: "Session", stop_after: str | None, detach: bool
) -> "Conversation":
    from srwizard.prompts.question import require_terminal
    from srwizard.prompts.terminal import TerminalPrompts
    from srwizard.wizard.conversation import Conversation

    require_terminal(session.id if session.path is not None else None)
    prompts = TerminalPrompts(console)
    prompts.show(Text(_("srwizard {version}", version=__version__), style="bold"))
    hint = _("Esc: back · ?: help · F2: defaults for the rest · Ctrl-C: save and quit")
    prompts.show(Text(hint, style="dim"))
    return Conversation(session, prompts, stop_after, detach)
