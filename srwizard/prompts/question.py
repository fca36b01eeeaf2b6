"""How questions are put: to a person in a terminal, or to an answers file.

Both go through the same question, with the same default and the same validator.
"""

import os
import shlex
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rich.console import Console, RenderableType
from rich.text import Text

from srwizard.base.errors import NeedsPersonError, UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.text_width import wrapped
from srwizard.base.typed_numbers import READERS
from srwizard.prompts.progress import Progress, shown, told_when_long
from srwizard.settings.yaml_file import Document


class Back(Exception):  # noqa: N818 - a wish, not an error
    """The user wants to return to the question before."""


class RestByDefault(Exception):  # noqa: N818 - a wish, not an error
    """The user gives this answer, and wants the defaults for all that follows.

    Args:
        answer: to this question.
    """

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True)
class Choice:
    """One thing to choose.

    Args:
        value: what it stands for.
        title: its name, also in the answer once it is chosen.
        disabled: why it cannot be chosen, or None where it can.
        group: the heading that it stands under.
        note: gives a few words to stand beside the title, anew each time that it is drawn.
        details: gives lines that explain it while it is highlighted.
        summary: one line that stands below it in the list.
        number: by which it is known to people, who may type it in the place of marking it.
    """

    value: Any
    title: str
    disabled: str | None = None
    group: str = ""
    note: Callable[[], str] | None = None
    details: Callable[[], Iterable[str]] | None = None
    summary: str = ""
    number: int | None = None


@dataclass(frozen=True)
class Question:
    """A question with its default, its validator and its help line.

    Args:
        key: the key in the answers file; questions about the conversation itself have none.
        text: the question, in the user's language.
        kind: what is asked for.
        default: taken when the user just presses Enter.
        help: one line that says what the answer does.
        details: more lines, shown on `?`.
        choices: for "one" and "several".
        live: gives lines to stand below a list, anew as time goes by.
        check: returns what is wrong with a value, or None.
        optional: an empty text means None.
        person_only: an answers file must answer it; no default is taken in its place.
        suffixes: of files that can be named in the place of a directory, such as ".nc".
        is_path: the answer is kept absolute, so that it means the same from any directory.
        rest: whether the defaults can be taken for all that follows.
    """

    key: str
    text: str
    kind: Literal[
        "text", "words", "directory", "int", "float", "ints", "floats", "yes_no", "one", "several"
    ]
    default: Any = None
    help: str = ""
    details: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()
    live: Callable[[], Iterable[str]] | None = None
    check: Callable[[Any], str | None] = lambda _value: None
    optional: bool = False
    person_only: bool = False
    is_path: bool = False
    suffixes: frozenset[str] = frozenset()
    rest: bool = False


class Prompts(Protocol):
    """Somebody who answers questions, and a screen to show things on."""

    interactive: bool

    @property
    def columns(self) -> int:
        """How many columns the screen has."""
        ...

    def ask(self, question: Question, default: Any, given: bool) -> Any:
        """Return a valid answer.

        Args:
            question: what is asked.
            default: the earlier answer, or the question's default.
            given: whether `default` is an earlier answer.

        Raises:
            Back: the user wants to go back.
            RestByDefault: the user answers this, and leaves the rest at its defaults.
            KeyboardInterrupt: the user wants to save and quit.
            NeedsPersonError, UsageError: an answers file has no answer, or a wrong one.
        """
        ...

    def show(self, content: RenderableType) -> None:
        """Show something that needs no answer."""
        ...

    def busy(self, text: str) -> AbstractContextManager[object]:
        """Show that something is going on while the block runs."""
        ...

    def progress(self, text: str) -> AbstractContextManager[Progress]:
        """Show how far something is while the block runs, as it is told."""
        ...


def parse(question: Question, text: str) -> Any:
    """Turn typed text into the value that the question asks for.

    Raises:
        ValueError: it is not such a value; the message says so in the user's language.
    """
    text = text.strip()
    if question.optional and not text:
        return None
    if question.kind == "words":
        return _words(text)
    return READERS[question.kind](text) if question.kind in READERS else text


def as_typed(value: Any) -> str:
    """Return a value as `parse` reads it."""
    if value is None:
        return ""
    if not isinstance(value, list | tuple):
        return str(value)
    return " ".join(_as_word(str(part)) for part in value)


_QUOTED = frozenset(" \t\n'\"\\")


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote that does not end is a part of a word
        return text.split()


def _as_word(text: str) -> str:
    """Return a word of a list, in quotes where it would be taken for several."""
    return text if text and not set(text) & _QUOTED else shlex.quote(text)


class AnswersFilePrompts:
    """Takes every answer from the answers file, else the default, and never asks."""

    interactive = False

    def __init__(self, document: Document, console: Console) -> None:
        self._document = document
        self._console = console

    @property
    def columns(self) -> int:
        return self._console.width

    def ask(self, question: Question, default: Any, given: bool) -> Any:
        key = question.key
        if question.person_only and not given:
            raise NeedsPersonError(
                _("stopped: {key} is required and has no default", key=key),
                _("Put {key} into the answers file, or continue by hand: srwizard resume", key=key),
            )
        if question.person_only and default is None:
            problem: str | None = _("null is not an answer here; choose a value")
        else:
            problem = question.check(default)
        if problem is not None:
            place = self._document.place(tuple(key.split(".")))
            raise UsageError(
                _("{place}: {key}: {problem}", place=place, key=key, problem=problem),
                _("Every key with its default and limits: srwizard answers --template"),
            )
        return default

    def show(self, content: RenderableType) -> None:
        print_whole(self._console, content)

    def busy(self, text: str) -> AbstractContextManager[object]:
        self._console.print(text, style="dim", highlight=False, markup=False)
        return nullcontext()

    def progress(self, text: str) -> AbstractContextManager[Progress]:
        if self._console.is_terminal:
            return shown(self._console, text, transient=True)
        return nullcontext(told_when_long(lambda: self.busy(text)))


def print_whole(console: Console, content: RenderableType) -> None:
    """Print content; a text's lines are broken between words, and a path is left whole."""
    if isinstance(content, Text) and not content.spans and console.is_terminal:
        lines = wrapped(content.plain, console.width - 1, words_whole=True)
        content = Text("\n".join(lines), style=content.style)
    console.print(content, soft_wrap=isinstance(content, Text))


def require_terminal(session_id: str | None = None) -> None:
    """Make sure that a person can be asked.

    Args:
        session_id: of the session that is to be gone on with, if it is known.

    Raises:
        UsageError: there is no terminal, or one that cannot move its cursor.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        reason = _("there is no terminal to ask questions in")
    elif os.environ.get("TERM", "dumb") == "dumb":
        reason = _("this terminal cannot move its cursor (TERM=dumb)")
    else:
        return
    source = "--template" if session_id is None else f"--from {session_id}"
    raise UsageError(
        reason,
        _(
            "Use an answers file: {first}, then {second}",
            first=f"srwizard answers {source} > answers.yaml",
            second="srwizard --answers answers.yaml",
        ),
    )
