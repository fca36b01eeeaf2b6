"""A bar that shows how far something is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

Progress = Callable[[int, int], None]
"""(steps done, steps in all)"""

LONG = 2.0
"""Seconds from which on it is worth a line in a log that something goes on."""


def told_when_long(tell: Callable[[], object]) -> Progress:
    """Return what calls `tell` once, as soon as it is told of progress after a long time."""
    begun, left = time.monotonic(), [tell]

    def progress(_done: int, _total: int) -> None:
        if left and time.monotonic() - begun >= LONG:
            left.pop()()

    return progress


@contextmanager
def shown(console: Console, text: str, *, transient: bool = False) -> Iterator[Progress]:
    """Show a bar on a terminal while the block runs; elsewhere nothing.

    Args:
        console: where.
        text: what goes on.
        transient: whether the bar is taken away at the end.
    """
    # Not with the module: the first question shall not wait for it.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=transient, disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task(escape(text), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
