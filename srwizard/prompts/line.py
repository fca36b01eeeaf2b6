"""One line that is typed in a terminal: a text, a number, or the path of a directory."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import questionary
from prompt_toolkit.buffer import Buffer, ValidationState
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Always, Condition, Filter, is_done
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.lexers import DynamicLexer, SimpleLexer

from srwizard.base.typed_paths import ADDRESS, begins_path
from srwizard.prompts.asking import end, end_keys, run, text_below


def read(
    text: str,
    default: str,
    problem_with: Callable[[str], str | None],
    help_lines: Callable[[], Sequence[str]],
    *,
    number: bool = False,
    path: bool = False,
    directory: bool = False,
    suffixes: Collection[str] = (),
    rest: bool = False,
) -> tuple[str, bool]:
    """Ask for one line until there is nothing wrong with it.

    Args:
        text: the question.
        default: stands there from the start.
        problem_with: says what is wrong with a line, or returns None.
        help_lines: gives what is shown when the user types a question mark.
        number: whether it is one: the first character that is typed replaces the default.
        path: whether it is one: what begins another one (`/`, `~`, a quote) replaces the default.
        directory: whether Tab completes directories.
        suffixes: of the files whose names Tab completes besides these, such as ".nc".
        rest: whether the defaults can be taken for all that follows.

    Returns:
        the line, and whether the defaults are to be taken for all that follows.

    Raises:
        Back, KeyboardInterrupt: as `asking.run`.
    """
    checks: dict[str, Any] = {
        "validate": lambda typed: problem_with(typed) or True,
        "validate_while_typing": False,
    }

    def is_offered(name: str) -> bool:
        return Path(name).suffix.lower() in suffixes or Path(name).is_dir()

    if directory:
        question = questionary.path(
            text, default, file_filter=is_offered, complete_while_typing=False, **checks
        )
    else:
        default_style, answer_style = SimpleLexer("class:untouched"), SimpleLexer("class:answer")
        colours = DynamicLexer(
            lambda: default_style if replaceable() and not is_done() else answer_style
        )
        question = questionary.text(text, default, lexer=colours, **checks)
    buffer = question.application.current_buffer
    untouched = _untouched(buffer)
    replaceable = untouched & Condition(lambda: number)
    layout = question.application.layout
    layout.current_window.dont_extend_height = Always()

    def problem() -> list[str]:
        return [buffer.validation_error.message] if buffer.validation_error else []

    defaults = run(
        question,
        text,
        # Of its parts only the first: below it, what is wrong would have one line, not broken.
        [layout.container.get_children()[0], text_below(problem, "class:problem")],
        _keys(
            buffer,
            default,
            untouched & Condition(lambda: number or path),
            number=number,
            rest=rest,
        ),
        help_lines,
        # In a number, or in a text not yet changed, a question mark can mean nothing else.
        asks_for_help=Condition(lambda: number or buffer.text in ("", default)),
    )
    return buffer.text, defaults


def _untouched(buffer: Buffer) -> Condition:
    """Return whether a default stands there in which not even the cursor has been moved."""
    untouched = bool(buffer.text)

    def touch(_buffer: Buffer) -> None:
        nonlocal untouched
        untouched = False

    buffer.on_text_changed += touch
    buffer.on_cursor_position_changed += touch
    return Condition(lambda: untouched)


def _keys(
    buffer: Buffer, default: str, replaceable: Filter, *, number: bool, rest: bool
) -> KeyBindings:
    keys = KeyBindings()

    # That of `questionary.path` only closes the list of completions where there is one.
    def finish(event: Any) -> None:
        # The same text may be good by now: a directory has been made.
        buffer.validation_state = ValidationState.UNKNOWN
        if buffer.validate():
            end(event)

    for name in end_keys(rest=rest):
        keys.add(name, eager=True)(finish)

    # That of `questionary.path` looks into each directory on the way, which may take its time on
    # the disks of a cluster, and drops a slash before the last one.
    @keys.add("/", eager=True, filter=~replaceable)
    def slash(_event: Any) -> None:
        if buffer.text == f"{default}{ADDRESS[:-1]}":  # pasted where no paste is told from typing
            buffer.document = Document(ADDRESS)
        else:
            buffer.insert_text("/")

    # There are no earlier lines to search, which prompt_toolkit would do in English.
    for name in ("c-r", "c-s"):
        keys.add(name, eager=True)(lambda _event: None)

    @keys.add("/", eager=True, filter=replaceable)
    @keys.add(Keys.Any, filter=replaceable)
    @keys.add(Keys.BracketedPaste, filter=replaceable)
    def begin_again(event: Any) -> None:
        typed = event.data.strip("\r\n")
        if not typed.isprintable():
            return
        if number or begins_path(typed):
            buffer.document = Document(typed)
        else:
            buffer.insert_text(typed)

    return keys
