"""`srwizard compare`: several runs side by side, or one after the other."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.cells import cell_len

from srwizard.base.console import Console
from srwizard.base.i18n import translate as _
from srwizard.commands.options import PATH, as_json_option, command, console, print_json

WITHOUT_A_SCREEN = 10_000
"""Columns."""

if TYPE_CHECKING:
    from rich.text import Text

    from srwizard.base.console import Table
    from srwizard.report.compared import Comparison
    from srwizard.report.comparison import Cell


@command(_("Compare runs: settings that differ, scores, time and memory."))
@click.argument("run_dirs", nargs=-1, required=True, type=PATH, metavar="RUN_DIR…")
@click.option("--html", type=PATH, metavar="FILE", help=_("Write the table as a page, too."))
@as_json_option
def compare(run_dirs: tuple[Path, ...], html: Path | None, as_json: bool) -> None:
    from rich.text import Text

    from srwizard.prompts.question import print_whole
    from srwizard.report import comparing, comparison

    found = comparing.compare(run_dirs)
    if html is not None:
        comparison.write_page(found, html)
    if as_json:
        print_json(found.as_json())
        return
    # A file or a pipe has no width that lines would have to be broken at.
    screen = console if console.is_terminal else Console(width=WITHOUT_A_SCREEN)
    screen.print(_shown(found, screen.width))
    for line in (*found.notices, comparison.best_note(_("marked with *"))):
        print_whole(screen, Text(line))
    if html is not None:
        print(_("Written to {path}", path=html))


def _shown(found: "Comparison", columns: int) -> "Table | Text":
    """Return the runs as a table that fits the screen, or else one after the other.

    A row for each run where there is room, else a column for each.
    """
    from rich.measure import Measurement

    wide = Console(width=WITHOUT_A_SCREEN)
    for table in (_rows(found), _columns(found)):
        if Measurement.get(wide, wide.options, table).maximum <= columns:
            return table
    return _blocks(found, columns)


def _rows(found: "Comparison") -> "Table":
    from srwizard.report.comparison import columns, rows

    table = _empty()
    for column in columns(found):
        table.add_column(
            column.title, justify="right" if column.is_number else "left", overflow="fold"
        )
    for row in rows(found):
        table.add_row(*map(_text, row))
    return table


def _columns(found: "Comparison") -> "Table":
    from srwizard.report.comparison import turned

    table = _empty()
    heads, lines = turned(found)
    for head in heads:
        table.add_column(head, overflow="fold")
    for line in lines:
        table.add_row(*map(_text, line))
    return table


def _blocks(found: "Comparison", columns: int) -> "Text":
    """Return a block of lines for each run."""
    from rich.text import Text

    from srwizard.base.text_width import padded, wrapped
    from srwizard.report.comparison import turned

    heads, lines = turned(found)
    width = max(cell_len(line[0].text) for line in lines) + 2
    text = Text()
    for place, name in enumerate(heads[1:], start=1):
        text.append(f"{name}\n", style="bold")
        for line in lines:
            value, indent = _text(line[place]), "\n" + " " * (width + 2)
            broken = indent.join(wrapped(value.plain, max(columns - width - 3, 10)))
            text.append(f"  {padded(line[0].text, width)}")
            text.append(f"{broken}\n", style=value.style)
    text.rstrip()
    return text


def _empty() -> "Table":
    from rich import box

    from srwizard.base.console import Table

    return Table(title=_("Runs"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def _text(cell: "Cell") -> "Text":
    """Return a cell of the table, the best of its kind marked."""
    from rich.text import Text

    return Text(f"{cell.text} *" if cell.best else cell.text, style="bold" if cell.best else "")
