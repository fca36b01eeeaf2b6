"""What every question in a terminal has in common: its keys, its colours, its lines.

The questions are questionary's. Around them: ways back and out, help, lines broken between words.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition, FilterOrBool, is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyBindingsBase, merge_key_bindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    AnyContainer,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.styles import Style
from questionary import Question
from questionary.styles import merge_styles_default

from srwizard.base.text_width import wrapped
from srwizard.prompts.question import Back

STYLE = Style.from_dict(
    {
        "untouched": "fg:ansibrightblack",
        "pointer": "fg:#5f819d bold",
        "highlighted": "bold",
        "selected": "fg:#ff9d00",
        "disabled": "fg:ansibrightblack",
        "problem": "fg:ansired",
    }
)
"""What is added to questionary's own colours."""
ESCAPE_SECONDS = 0.1
"""A lone Esc is told from an arrow key by the time that passes after it."""
REST = (Keys.F2, Keys.ControlG)
"""They take this answer, and the default of every question that follows. Two, because some
terminals keep the function keys for themselves."""
LEFT = "←"
"""Stands in the place of the answer of a question that was left without one."""


def run(
    question: Question,
    text: str,
    parts: Sequence[AnyContainer],
    keys: KeyBindingsBase,
    help_lines: Callable[[], Sequence[str]],
    *,
    asks_for_help: FilterOrBool = True,
    refresh_seconds: float | None = None,
) -> bool:
    """Show a question until one of the keys ends it.

    Args:
        question: what has its focus is among the parts.
        text: what it says.
        parts: what is shown, from top to bottom.
        keys: of this kind of question; they go before those that it has from questionary.
        help_lines: gives what is shown below the parts while the user wants to see it.
        asks_for_help: whether a question mark asks for help, or belongs to the answer.
        refresh_seconds: how often the parts are drawn again without a key.

    Returns:
        whether the key was one of `REST`: all that follows is left at its default.

    Raises:
        Back: the user went back.
        KeyboardInterrupt: the user wants to save and quit, or the terminal is gone.
    """
    application = question.application
    common = KeyBindings()
    helping = False

    for name in ("escape", "c-b"):
        common.add(name, eager=True)(lambda event: event.app.exit(exception=Back()))
    for name in ("c-c", "c-d", "<sigint>"):
        common.add(name, eager=True)(lambda event: event.app.exit(exception=KeyboardInterrupt()))

    # The shell's fg brings the question back.
    common.add("c-z", eager=True)(lambda event: event.app.suspend_to_background())

    @common.add("?", eager=True, filter=asks_for_help)
    def help_or_not(_event: Any) -> None:
        nonlocal helping
        helping = not helping

    @Condition
    def was_left() -> bool:
        ended = application.future
        return ended is not None and ended.done() and ended.exception() is not None

    shown = [
        *(ConditionalContainer(part, ~was_left) for part in parts),
        ConditionalContainer(text_window(lambda: asked(text, answer=LEFT)), was_left),
        text_below(lambda: help_lines() if helping else []),
    ]
    application.layout = Layout(HSplit(shown), application.layout.current_window)
    # Of two bindings for a key the later one counts.
    own_keys = [application.key_bindings] if application.key_bindings else []
    application.key_bindings = merge_key_bindings([*own_keys, common, keys])
    application.style = merge_styles_default([STYLE])
    application.refresh_interval = refresh_seconds
    application.ttimeoutlen = ESCAPE_SECONDS

    def hand_on_errors() -> None:
        # Of its own accord prompt_toolkit prints the traceback and waits for a key.
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: application.exit(
                exception=context.get("exception") or RuntimeError(context["message"])
            )
        )

    try:
        # Not `unsafe_ask`, which leaves errors to prompt_toolkit.
        return bool(application.run(pre_run=hand_on_errors, set_exception_handler=False))
    except EOFError:
        raise KeyboardInterrupt from None


def end_keys(*, rest: bool) -> tuple[str, ...]:
    """Return the keys that end a question, with `rest` also those that leave the rest."""
    return ("enter", *REST) if rest else ("enter",)


def end(event: Any) -> None:
    """End a question, as its keys do."""
    event.app.exit(result=event.key_sequence[-1].key in REST)


def width() -> int:
    """Return how many columns a line may have."""
    # Some terminals break the line as soon as its last column is written to.
    return max(get_app().output.get_size().columns - 1, 10)


def text_window(lines: Callable[[], StyleAndTextTuples], *, at_most: int | None = None) -> Window:
    """Return a part that shows text and is as high as it needs to be."""
    return Window(
        FormattedTextControl(lines),
        wrap_lines=True,
        dont_extend_height=True,
        height=Dimension(max=at_most),
    )


def text_below(
    texts: Callable[[], Sequence[str]], style: str = "", *, at_most: int | None = None
) -> ConditionalContainer:
    """Return a part that shows texts, set in a little, while there are any to an open question."""

    def lines() -> StyleAndTextTuples:
        broken = [line for text in texts() if text for line in wrapped(text, width() - 4)]
        return [(style, "\n".join(f"    {line}" for line in broken))]

    return ConditionalContainer(
        text_window(lines, at_most=at_most), Condition(lambda: any(texts())) & ~is_done
    )


def asked(text: str, instruction: str = "", answer: str | None = None) -> StyleAndTextTuples:
    """Return the line of the question, with its answer once there is one."""
    shown: StyleAndTextTuples = [("class:qmark", "? "), ("class:question", f"{text} ")]
    return [*shown, ("", instruction) if answer is None else ("class:answer", answer)]
