"""What the commands have in common: the console, and the arguments and options of several."""

from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from srwizard.base.i18n import translate as _

OPTIONS = _("[OPTIONS]")
PATH = click.Path(path_type=Path)

console = Console()
run_directory = click.argument("run_dir", type=PATH, metavar="RUN_DIR")
checkpoint_option = click.option(
    "--checkpoint",
    type=click.Choice(["best", "last"]),
    help=_("Which weights; else the best, or the last where there is no best yet."),
)
as_json_option = click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))


class WholeNumber(click.types.IntParamType):
    """A whole number, called so in messages."""

    name = _("whole number")


class Number(click.types.FloatParamType):
    """A number, called so in messages."""

    name = _("number")


def command(help_text: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function a command of its name; cli.py adds it to the group."""
    return click.command(help=help_text, options_metavar=OPTIONS)
