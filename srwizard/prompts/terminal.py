"""Questions put to a person in a terminal."""

import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.text import Text

from srwizard.base.i18n import translate as _
from srwizard.base.text_width import wrapped
from srwizard.base.visible import in_one_line
from srwizard.prompts import line, menu
from srwizard.prompts.progress import Progress, shown
from srwizard.prompts.question import Choice, Question, RestByDefault, as_typed, parse, print_whole

LOCAL_MODES = 3
"""Where `termios.tcgetattr` has them."""


class TerminalPrompts:
    """Asks a person. Esc or Ctrl-B goes back, `?` helps, Ctrl-C quits."""

    interactive = True

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def columns(self) -> int:
        return self._console.width

    def show(self, content: RenderableType) -> None:
        print_whole(self._console, content)

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        # Not with the module: the first question shall not wait for it.
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with _deaf(), Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(escape(text), total=None)
            yield

    @contextmanager
    def progress(self, text: str) -> Iterator[Progress]:
        with _deaf(), shown(self._console, text, transient=True) as progress:
            yield progress

    def ask(self, question: Question, default: Any, given: bool) -> Any:
        if question.help:
            self._say(question.help, "dim")
        while True:
            value, defaults = self._put(question, default)
            problem = question.check(value)
            if problem is None and defaults:
                raise RestByDefault(value)
            if problem is None:
                return value
            # Choices cannot be validated while they are being made.
            self._say(problem, "red")
            default = value

    def _put(self, question: Question, default: Any) -> tuple[Any, bool]:
        """Return an answer, and whether the defaults are wanted for all that follows."""

        def help_lines() -> list[str]:
            return list(_help(question))

        if question.kind == "several":
            return menu.choose(
                question.text,
                question.choices,
                default or [],
                help_lines,
                several=True,
                rest=question.rest,
            )
        if question.kind in ("one", "yes_no"):
            # Not `questionary.confirm`, which knows neither arrows nor Chinese, and has no list.
            choices = question.choices or (Choice(True, _("yes")), Choice(False, _("no")))
            (value,), defaults = menu.choose(
                question.text,
                choices,
                [default],
                help_lines,
                live=question.live,
                rest=question.rest,
            )
            return value, defaults
        # A path may hold what cannot be edited, such as a line break: unchanged, it is meant.
        kept = as_typed(default)
        offered = in_one_line(kept)
        typed, defaults = line.read(
            question.text,
            offered,
            lambda text: _problem(question, kept if text == offered else text),
            help_lines,
            number=question.kind in ("int", "float", "ints", "floats"),
            path=question.is_path or question.kind == "directory",
            directory=question.kind == "directory",
            suffixes=question.suffixes,
            rest=question.rest,
        )
        return parse(question, kept if typed == offered else typed), defaults

    def _say(self, text: str, style: str) -> None:
        """Print a text, set in a little, its lines broken between words."""
        lines = [f"  {line}" for line in wrapped(text, self.columns - 3)]
        self._console.print(Text("\n".join(lines), style=style), soft_wrap=True)


@contextmanager
def _deaf() -> Iterator[None]:
    """Neither show nor keep what is typed meanwhile, so that an Enter too many answers nothing."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    quiet = [*before]
    quiet[LOCAL_MODES] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcflush(terminal, termios.TCIFLUSH)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _problem(question: Question, text: str) -> str | None:
    """Say what is wrong with what was typed, or return None."""
    try:
        return question.check(parse(question, text))
    except ValueError as error:
        return str(error)


def _help(question: Question) -> Iterator[str]:
    # The line that says what the answer does stands above the question already.
    from srwizard.settings.answers_file import limits_and_default

    yield from question.details
    if facts := limits_and_default(question.key, question.default):
        yield facts
    if question.kind in ("words", "floats"):
        yield _("Separate several with spaces.")
    if question.key:
        yield _("Key in the answers file: {key}", key=question.key)
    if question.kind == "directory":
        yield _("Tab completes a directory.")
    if question.choices:
        yield _("Type to filter the list.")
    if question.rest:
        yield _("F2 or Ctrl-G: this answer, and the defaults for all the rest")
    yield _("Esc or Ctrl-B: back · Ctrl-C: save and quit")
