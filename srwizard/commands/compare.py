"""`srwizard compare`: several runs in one table."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from srwizard.base.console import Console
from srwizard.base.i18n import translate as _
from srwizard.commands.options import PATH, as_json_option, command, console, print_json

WITHOUT_A_SCREEN = 10_000
"""Columns."""

if TYPE_CHECKING:
    from rich.table import Table

    from srwizard.report.comparing import Comparison


@command(_("Set runs side by side: what differs, and what came of each."))
@click.argument("run_dirs", nargs=-1, required=True, type=PATH, metavar="RUN_DIR…")
@click.option("--html", type=PATH, metavar="FILE", help=_("Write the table as a page, too."))
@as_json_option
def compare(run_dirs: tuple[Path, ...], html: Path | None, as_json: bool) -> None:
    from srwizard.report import comparing, comparison

    found = comparing.compare(run_dirs)
    if html is not None:
        comparison.write_page(found, html)
    if as_json:
        print_json(found.as_json())
        return
    table = _table(found)
    # A file or a pipe has no width that lines would have to be broken at.
    screen = console if console.is_terminal else Console(width=WITHOUT_A_SCREEN)
    screen.print(table)
    for line in (*found.notices, comparison.best_note()):
        print(line)
    if html is not None:
        print(_("Written to {path}", path=html))


def _table(found: "Comparison") -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from srwizard.report.comparison import columns, rows

    table = Table(title=_("Runs"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns(found):
        table.add_column(
            column.title, justify="right" if column.is_number else "left", overflow="fold"
        )
    for row in rows(found):
        table.add_row(
            *(Text(f"{cell.text} *" if cell.best else cell.text, style="bold" if cell.best else "")
              for cell in row)
        )  # fmt: skip
    return table
