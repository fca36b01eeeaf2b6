"""What a run has come to, on the screen of a command."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srwizard.base.text_width import wrapped
from srwizard.commands.options import console


def print_outcome(result: Mapping[str, Any], run_dir: Path, *, skill: bool = False) -> None:
    """Print the scores of a split and what to know of them; see `runs.outcome`."""
    from srwizard.runs.outcome import outcome

    found = outcome(result, run_dir, console.width, skill=skill)
    console.print(found.table)
    for line in (*found.sentences, *found.warnings):
        # A program that reads them has a sentence in each line.
        parts = wrapped(line, console.width, words_whole=True) if console.is_terminal else [line]
        print("\n".join(parts))
