"""The command line in this process: what thousands of examples can afford."""

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

from srwizard.__main__ import main
from srwizard.base import interrupts


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and all that it said."""

    code: int
    said: str


def run_here(*arguments: object) -> Outcome:
    """Run `srwizard` with these arguments in this process."""
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding="utf-8", write_through=True)
    code = 0
    words = ["srwizard", *map(str, arguments)]
    with (
        mock.patch.object(sys, "argv", words),
        # The signals of this process are those of all tests.
        mock.patch.object(interrupts, "listen"),
        mock.patch.object(interrupts, "pass_over"),
        contextlib.redirect_stdout(stream),
        contextlib.redirect_stderr(stream),
    ):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Outcome(code, content.getvalue().decode(errors="replace"))
