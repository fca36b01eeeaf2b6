"""One line that is typed in a terminal: a text, a number, or the path of a directory."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_completions, is_done
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Float,
    FloatContainer,
    HSplit,
    Window,
)
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.lexers import DynamicLexer, SimpleLexer

from srwizard.prompts.asking import LEFT, asked, left, run, set_in, text_window

COMPLETIONS = 6
"""Lines of the list of completions."""


class Line:
    """What is typed, what is wrong with it, and whether it is still the default."""

    def __init__(
        self, default: str, problem_with: Callable[[str], str | None], completer: Completer | None
    ) -> None:
        self.buffer = Buffer(document=Document(default), completer=completer, multiline=False)
        self.untouched = bool(default)
        self.problem = ""
        self._problem_with = problem_with
        self.buffer.on_text_changed += self._touch
        self.buffer.on_cursor_position_changed += self._touch

    def _touch(self, _buffer: Buffer) -> None:
        self.untouched = False
        self.problem = ""

    def replace(self, text: str) -> None:
        """Put `text` in the place of everything."""
        self.buffer.document = Document(text)

    def good(self) -> bool:
        """Tell whether there is nothing wrong; if there is, note what."""
        self.problem = self._problem_with(self.buffer.text) or ""
        return not self.problem


class _Directories(Completer):
    """Directories, with the slash that lets one go on into them."""

    def __init__(self) -> None:
        self._paths = PathCompleter(only_directories=True, expanduser=True)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        for found in self._paths.get_completions(document, event):
            yield Completion(found.text + os.sep, found.start_position, found.display)


def read(
    text: str,
    default: str,
    problem_with: Callable[[str], str | None],
    help_lines: Callable[[], Sequence[str]],
    *,
    number: bool = False,
    directory: bool = False,
) -> str:
    """Ask for one line until there is nothing wrong with it, and return it.

    Args:
        text: the question.
        default: stands there from the start.
        problem_with: says what is wrong with a line, or returns None.
        help_lines: gives what is shown when the user types a question mark.
        number: whether it is one: the first character that is typed replaces the default.
        directory: whether Tab completes directories.

    Raises:
        Back, KeyboardInterrupt: as `asking.run`.
    """
    line = Line(default, problem_with, _Directories() if directory else None)
    replaceable = Condition(lambda: number and line.untouched)
    default_style = SimpleLexer("class:untouched")
    answer_style = SimpleLexer("class:answer")
    colours = DynamicLexer(
        lambda: default_style if replaceable() and not is_done() else answer_style
    )
    typed = Window(
        BufferControl(line.buffer, lexer=colours, input_processors=[BeforeInput(asked(text))]),
        wrap_lines=True,
        dont_extend_height=True,
    )
    was_left = Condition(left)
    abandoned = ConditionalContainer(text_window(lambda: asked(text, answer=LEFT)), filter=was_left)
    problem = ConditionalContainer(
        text_window(lambda: set_in([line.problem], "class:problem")),
        filter=Condition(lambda: bool(line.problem)) & ~is_done,
    )
    room = ConditionalContainer(Window(height=COMPLETIONS), filter=has_completions & ~is_done)
    completions = Float(CompletionsMenu(max_height=COMPLETIONS), xcursor=True, ycursor=True)
    run(
        [
            FloatContainer(
                HSplit([ConditionalContainer(typed, ~was_left), abandoned, problem, room]),
                floats=[completions],
            )
        ],
        _keys(line, replaceable),
        help_lines,
        # In a number, or in a text not yet changed, a question mark can mean nothing else.
        asks_for_help=Condition(lambda: number or line.buffer.text in ("", default)),
    )
    return line.buffer.text


def _keys(line: Line, replaceable: Condition) -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter", eager=True)
    def finish(event: Any) -> None:
        if line.good():
            event.app.exit()

    @keys.add(Keys.Any, filter=replaceable)
    @keys.add(Keys.BracketedPaste, filter=replaceable)
    def begin_anew(event: Any) -> None:
        if event.data.isprintable():
            line.replace(event.data)

    return keys
