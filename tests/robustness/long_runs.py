"""The long forms of tests that try something a few times: how often, and the figures of it."""

from datetime import date
from pathlib import Path

import pytest

LONG = (pytest.mark.long, pytest.mark.slow)
FIGURES = Path(__file__).parents[2] / "test-long.txt"


def times(few: int, many: int) -> pytest.MarkDecorator:
    """Give a test `count`: a few times in the suite, many times in `make test-long`."""
    return pytest.mark.parametrize("count", [few, pytest.param(many, marks=LONG)])


def in_parts(few: int, many: int, parts: int) -> pytest.MarkDecorator:
    """Give a test `count` and `part`: the many times are shared out among tests of their own.

    Each part is in time for a machine that lends some minutes: `make test-long ONLY="part-0"`. The
    processes of the many are started afresh: what happens while they load everything is met too.
    """
    long = [
        pytest.param(many // parts, part, marks=(*LONG, pytest.mark.afresh), id=f"part-{part}")
        for part in range(parts)
    ]
    return pytest.mark.parametrize(("count", "part"), [pytest.param(few, 0, id="few"), *long])


def note(line: str) -> None:
    """Keep a figure of a long form, for docs/robustness.md."""
    with FIGURES.open("a", encoding="utf-8") as stream:
        stream.write(f"{date.today()}  {line}\n")
