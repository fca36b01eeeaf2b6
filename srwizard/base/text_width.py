"""Text measured in the columns that it takes on a screen; a Chinese character takes two."""

import re
from collections.abc import Iterable, Iterator

from rich.cells import cell_len, set_cell_size

_PIECES = re.compile(
    r"\s+|[\u2e80-\uffef][，。、：；！？）】」』》]*\s*"
    r"|[^\s\u2e80-\uffef]+[，。、：；！？）】」』》]*\s*"
)
"""What is never broken: a word, or a Chinese character, with the marks and blanks after it."""
_COMMAND = re.compile(r"\bsrwizard (?=--|[a-z])")
_INDENT = re.compile(r" *([-»] |\d+\. )?")
"""Blanks and the sign of an item, before a text."""


def wrapped(text: str, columns: int, *, words_whole: bool = False) -> list[str]:
    """Break a text so that no line is wider than `columns`.

    It is broken between words; Chinese, in which a character takes two columns, between any two
    characters, but not before a mark that closes. What follows is set in as far as the first line.

    Args:
        text: broken at its own line ends in any case.
        columns: how wide a line may be.
        words_whole: leave what is wider than a line, a path say, for the terminal to break, and
            all from a command of srwizard on: then it can be copied.
    """
    return [
        line
        for part in text.split("\n")
        for line in _wrapped_line(part, max(columns, 2), words_whole)
    ]


def _wrapped_line(text: str, columns: int, words_whole: bool) -> Iterator[str]:
    begin = _INDENT.match(text)
    indent = " " * len(begin[0]) if begin and len(begin[0]) < columns // 2 else ""
    line = ""
    command = _COMMAND.search(text) if words_whole else None
    prose = text[: command.start()] if command is not None else text
    for piece in [*_PIECES.findall(prose), *([text[len(prose) :]] if command is not None else [])]:
        if line.strip() and cell_len(line + piece.rstrip()) > columns:
            yield line.rstrip()
            line = indent
        line += piece
        while cell_len(line.rstrip()) > columns and not words_whole:
            full = set_cell_size(line, columns).rstrip()
            yield full
            line = indent + line[len(full) :]
    yield line.rstrip()


def packed(parts: Iterable[str], joint: str, columns: int) -> list[str]:
    """Put as many parts into each line as it has room for; none is broken that fits a line."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}{joint}{part}" if lines else part
        if lines and cell_len(longer.rstrip()) <= columns:
            lines[-1] = longer
        elif lines:
            lines[-1] = f"{lines[-1]}{joint}".rstrip(" ·")
            lines += wrapped(part, columns)
        else:
            lines += wrapped(part, columns)
    return lines


def padded(text: str, columns: int) -> str:
    """Return a text with blanks after it, as wide as `columns`."""
    return text + " " * max(columns - cell_len(text), 0)
