"""`srwizard inspect`: show what is in a dataset directory."""

from dataclasses import asdict
from pathlib import Path

import click

from srwizard.base.errors import EXIT_DATASET
from srwizard.base.i18n import translate as _
from srwizard.commands.options import PATH, as_json_option, command, console, print_json


@command(_("Show what is in a dataset directory."))
@click.argument("root", type=PATH, metavar="ROOT")
@as_json_option
def inspect(root: Path, as_json: bool) -> None:
    show_dataset(root, as_json=as_json)


def show_dataset(root: Path, *, as_json: bool = False) -> None:
    """Print what is in a dataset directory; exit with 3 where it cannot be used."""
    from srwizard.data.dataset import Dataset
    from srwizard.prompts.question import expand
    from srwizard.wizard.chosen_dataset import summary_table

    summary = Dataset(expand(str(root))).summary
    if as_json:
        print_json(asdict(summary))
    else:
        console.print(summary_table(summary))
    if not summary.usable:
        raise click.exceptions.Exit(EXIT_DATASET)
