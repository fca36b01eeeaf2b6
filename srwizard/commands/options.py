"""What the commands have in common: the console, and the arguments and options of several."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from srwizard.base.console import Console
from srwizard.base.i18n import translate as _

OPTIONS = _("[OPTIONS]")
PATH = click.Path(path_type=Path)

console = Console()
Decorator = Callable[[Callable[..., None]], Callable[..., None]]


class WholeNumber(click.types.IntParamType):
    """A whole number, called so in messages."""

    name = _("whole number")


class Number(click.types.FloatParamType):
    """A number, called so in messages."""

    name = _("number")


run_directory = click.argument("run_dir", type=PATH, metavar="RUN_DIR")
as_json_option = click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))
detach_option = click.option("--detach", is_flag=True, help=_("Train in the background."))
override_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help=_("Override one answer of the file."),
)
scale_option = click.option(
    "--scale", type=WholeNumber(), default=2, show_default=True, metavar="N", help=_("HR/LR.")
)


def checkpoint_option(help_text: str, default: str | None = None) -> Decorator:
    """Return the option that names a checkpoint of a run."""
    return _one_of("--checkpoint", ["best", "last"], help_text, default)


def split_option(help_text: str, default: str | None = None) -> Decorator:
    """Return the option that names a split of a dataset."""
    return _one_of("--split", ["train", "valid", "test"], help_text, default)


def _one_of(name: str, names: list[str], help_text: str, default: str | None) -> Decorator:
    shown = default is not None
    return click.option(
        name, type=click.Choice(names), default=default, show_default=shown, help=help_text
    )


def out_option(metavar: str, help_text: str, *, required: bool = False) -> Decorator:
    """Return the option that says where to write."""
    return click.option(
        "-o", "--out", type=PATH, required=required, metavar=metavar, help=help_text
    )


def overwrite_option(help_text: str) -> Decorator:
    """Return the option without which nothing that is there is replaced."""
    return click.option("--overwrite", is_flag=True, help=help_text)


def missing_value_option(help_text: str) -> Decorator:
    """Return the option that says what stands for no value in raw files."""
    return click.option(
        "--missing-value", "missing", type=float, multiple=True, metavar="V", help=help_text
    )


BEST_OR_LAST = _("Checkpoint to use. [default: best, or last if there is no best yet]")


def print_json(content: Any) -> None:
    """Print content as JSON, paths in it as text."""
    print(json.dumps(content, indent=2, default=os.fspath, ensure_ascii=False))


def command(help_text: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function a command of its name; cli.py adds it to the group."""
    return click.command(help=help_text, options_metavar=OPTIONS)
