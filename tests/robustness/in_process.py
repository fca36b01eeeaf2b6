"""The command line in this process: what thousands of examples can afford."""

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

from srwizard.__main__ import main


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
        contextlib.redirect_stdout(stream),
        contextlib.redirect_stderr(stream),
    ):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Outcome(code, content.getvalue().decode(errors="replace"))
