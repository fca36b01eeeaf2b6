"""The console on which tables, bars and coloured texts are shown."""

from collections.abc import Iterable
from typing import IO, Any

import rich.console
import rich.table
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from srwizard.base.visible import in_one_line, visible


class Console(rich.console.Console):
    """rich's console; what is shown is text, in which no control character and no markup counts."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, **settings)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield what is to be written: rich's own control sequences, and visible text."""
        for segment in super().render(renderable, options):
            yield (segment if segment.control else Segment(visible(segment.text), segment.style))

    def on_broken_pipe(self) -> None:
        """Leave it to the program what it means that nobody reads on."""
        raise

    @property
    def file(self) -> IO[str]:
        """The stream itself, under whatever stands in for it."""
        stream = super().file
        while (below := getattr(stream, "rich_proxied_file", None)) is not None:
            stream = below
        return stream

    @file.setter
    def file(self, stream: IO[str]) -> None:
        self._file = stream


class Table(rich.table.Table):
    """rich's table; each cell and each head is one line, until the table breaks it."""

    @classmethod
    def grid(cls, *headers: Any, **settings: Any) -> "Table":
        """Return a table without lines and heads."""
        table = super().grid(*headers, **settings)
        assert isinstance(table, cls)
        return table

    def add_column(self, header: RenderableType = "", *parts: Any, **settings: Any) -> None:
        super().add_column(_one_line(header), *parts, **settings)

    def add_row(self, *cells: RenderableType | None, **settings: Any) -> None:
        super().add_row(*map(_one_line, cells), **settings)


def _one_line(cell: Any) -> Any:
    if isinstance(cell, str):
        return in_one_line(cell)
    plain = isinstance(cell, Text) and not cell.spans and cell.plain
    return Text(in_one_line(plain), style=cell.style) if plain else cell
