"""The commands: thin, each one calling what does the work. Nothing here imports torch."""

import os
import sys
from importlib import import_module
from pathlib import Path

import click

from srwizard.base import i18n
from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.user_directories import notice_of_fallback
from srwizard.base.version import __version__
from srwizard.commands.in_terminal import conversation_in_terminal
from srwizard.commands.options import OPTIONS, PATH, console, detach_option, override_option
from srwizard.hardware.numbering import AS_NVIDIA_SMI

COMMANDS = (
    "resume", "answers", "prepare", "inspect", "baselines", "models", "recommend", "gpus",
    "estimate", "train", "submit", "status", "logs", "stop", "evaluate", "compare", "report",
    "predict", "export", "selfcheck",
)  # fmt: skip
"""In the order of the work, in which they are listed; each is a module of its name."""


class InOrder(click.Group):
    """Lists the commands in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        known = [name for name in COMMANDS if name in self.commands]
        return known + [name for name in self.commands if name not in known]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them with all that is said of them; click would cut it at the screen's edge."""
        rows = [(name, self.commands[name].help or "") for name in self.list_commands(ctx)]
        with formatter.section(_("Commands")):
            formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show what to begin with, each command on a line of its own."""
        with formatter.section(_("First commands")):
            formatter.write_dl(
                [
                    ("srwizard", _("start the wizard")),
                    ("srwizard inspect DATA", _("check a dataset directory, or look into a file")),
                    ("srwizard models", _("list the models, with what each is good for")),
                ]
            )


@click.group(
    cls=InOrder,
    invoke_without_command=True,
    help=_(
        "Train a super-resolution model on a directory of field pairs. `srwizard` alone starts the "
        "wizard, which asks for everything else."
    ),
    options_metavar=OPTIONS,
    subcommand_metavar=_("COMMAND [ARGUMENTS]"),
)
@click.option(
    "--answers",
    type=PATH,
    metavar="FILE",
    help=_("Take all answers from this file; ask nothing."),
)
@override_option
@click.option(
    "--stop-after",
    type=click.Choice(["frozen", "dry_run"]),
    help=_("Stop once this is done."),
)
@detach_option
@click.option(
    "--lang",
    type=click.Choice(i18n.LANGUAGES),
    expose_value=False,  # chosen before the texts of the commands were made
    help=_("Language. [default: that of the locale, LANG]"),
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
    os.environ.update(AS_NVIDIA_SMI)  # `--device cuda:1` means GPU 1 here, and in every child
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
    _say_where_sessions_are()
    session = sessions.new_session()
    session.answers = parse_answers(document)
    prompts = AnswersFilePrompts(document, console)
    machine.run(Conversation(session, prompts, stop_after, detach))
    if stop_after is not None:
        print(_("Stopped as requested. Continue with: srwizard resume {id}", id=session.id))


def _converse(stop_after: str | None, detach: bool) -> None:
    from srwizard.wizard import machine
    from srwizard.wizard import session as sessions

    _say_where_sessions_are()
    conversation = conversation_in_terminal(sessions.new_session(), stop_after, detach)
    machine.run(conversation)


def _say_where_sessions_are() -> None:
    notice = notice_of_fallback()
    if notice is not None:
        print(notice, file=sys.stderr)


for name in COMMANDS:
    cli.add_command(getattr(import_module(f"srwizard.commands.{name}"), name))
