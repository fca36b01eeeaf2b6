"""The commands: thin, each one calling what does the work. Nothing here imports torch."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from srwizard import __version__
from srwizard.base import i18n
from srwizard.base.errors import InterruptedByUserError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.commands import (
    answers,
    compare,
    estimate,
    evaluate,
    gpus,
    logs,
    models,
    predict,
    prepare,
    status,
    submit,
    train,
)
from srwizard.commands.options import (
    OPTIONS,
    PATH,
    console,
)

if TYPE_CHECKING:
    from srwizard.wizard.conversation import Conversation
    from srwizard.wizard.session import Session

ORDER = (
    "resume", "answers", "prepare", "inspect", "models", "gpus", "estimate", "train", "submit",
    "status", "logs", "stop", "evaluate", "compare", "report", "predict", "export",
)  # fmt: skip
"""That of the work, in which the commands are listed."""


class InOrder(click.Group):
    """Lists the commands in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        known = [name for name in ORDER if name in self.commands]
        return known + [name for name in self.commands if name not in known]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them with all that is said of them; click would cut it at the screen's edge."""
        rows = [(name, self.commands[name].help or "") for name in self.list_commands(ctx)]
        with formatter.section(_("Commands")):
            formatter.write_dl(rows)


@click.group(
    cls=InOrder,
    invoke_without_command=True,
    help=_("From a directory of field pairs to a trained super-resolution model."),
    options_metavar=OPTIONS,
    subcommand_metavar=_("COMMAND [ARGUMENTS]"),
)
@click.option(
    "--answers",
    type=PATH,
    metavar="FILE",
    help=_("Take all answers from this file; ask nothing."),
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help=_("Override one answer of the file."),
)
@click.option(
    "--stop-after",
    type=click.Choice(["frozen", "dry_run"]),
    help=_("Stop once this is done."),
)
@click.option("--detach", is_flag=True, help=_("Train in the background."))
@click.option(
    "--lang",
    type=click.Choice(i18n.LANGUAGES),
    expose_value=False,  # chosen before the texts of the commands were made
    help=_("Language; else that of the locale (LANG)."),
)
@click.version_option(
    __version__, message="%(prog)s %(version)s", prog_name="srwizard", help=_("Show the version.")
)
@click.pass_context
def cli(
    context: click.Context,
    answers: Path | None,
    overrides: tuple[str, ...],
    stop_after: str | None,
    detach: bool,
) -> None:
    """Walk through the wizard, in this terminal or from an answers file."""
    if context.invoked_subcommand is not None:
        return
    if answers is None:
        if overrides:
            raise UsageError(
                _("--set needs --answers"), _("For example: srwizard --answers FILE --set a.b=c")
            )
        _converse(stop_after, detach)
        return
    from srwizard.prompts.question import AnswersFilePrompts
    from srwizard.settings import yaml_file
    from srwizard.settings.answers import parse_answers
    from srwizard.wizard import machine
    from srwizard.wizard import session as sessions
    from srwizard.wizard.conversation import Conversation

    document = yaml_file.read(answers, overrides)
    session = sessions.new_session()
    session.answers = parse_answers(document)
    prompts = AnswersFilePrompts(document, console)
    machine.run(Conversation(session, prompts, stop_after, detach))
    if stop_after is not None:
        print(_("Stopped as asked. Go on with: srwizard resume {id}", id=session.id))


def command(help_text: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function a command of its name."""
    return cli.command(help=help_text, options_metavar=OPTIONS)


def _converse(stop_after: str | None, detach: bool) -> None:
    from srwizard.wizard import machine
    from srwizard.wizard import session as sessions

    conversation = _conversation(sessions.new_session(), stop_after, detach)
    machine.run(conversation)


def _conversation(session: "Session", stop_after: str | None, detach: bool) -> "Conversation":
    from srwizard.prompts.question import require_terminal
    from srwizard.prompts.terminal import TerminalPrompts
    from srwizard.wizard.conversation import Conversation

    require_terminal(session.id if session.path is not None else None)
    prompts = TerminalPrompts(console)
    prompts.show(Text(_("srwizard {version}", version=__version__), style="bold"))
    prompts.show(Text(_("Esc or Ctrl-B: back · ?: help · Ctrl-C: save and quit"), style="dim"))
    return Conversation(session, prompts, stop_after, detach)


@command(_("Go on with an unfinished session."))
@click.argument("session", required=False, metavar=_("[SESSION]"))
@click.option("--detach", is_flag=True, help=_("Train in the background."))
def resume(session: str | None, detach: bool) -> None:
    from srwizard.wizard import machine
    from srwizard.wizard import session as sessions

    found = sessions.load(sessions.find(session)) if session else _choose_session()
    machine.resume(_conversation(found, None, detach))


def _choose_session() -> "Session":
    from srwizard.prompts.question import Back, Choice, Question, require_terminal
    from srwizard.prompts.terminal import TerminalPrompts
    from srwizard.wizard import session as sessions
    from srwizard.wizard.titles import title_of

    found = sessions.unfinished()
    if not found:
        raise UsageError(_("there is no unfinished session"), _("Begin one with: srwizard"))
    if len(found) == 1:
        return found[0]
    require_terminal()
    choices = tuple(
        Choice(
            place,
            " · ".join([_what_for(item), title_of(item.state), sessions.age_text(item)]),
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
            _("no session was chosen; they are as they were"),
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


for module in (
    answers, prepare, models, gpus, estimate, train, submit, status, logs, evaluate, compare,
    predict,
):  # fmt: skip
    for item in module.COMMANDS:
        cli.add_command(item)
