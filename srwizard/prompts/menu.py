"""A menu in a terminal: one of a list, or several, what is highlighted being explained below."""

from collections.abc import Callable, Sequence
from typing import Any

from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition, is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    ConditionalContainer,
    ConditionalMargin,
    Dimension,
    FormattedTextControl,
    ScrollbarMargin,
    ScrollOffsets,
    Window,
)

from srwizard.base.i18n import translate as _
from srwizard.prompts.asking import LEFT, asked, left, run, set_in, text_window
from srwizard.prompts.menu_lines import menu_lines
from srwizard.prompts.menu_state import Menu
from srwizard.prompts.question import Choice

PAGE = 5
"""Choices that one PageUp or PageDown passes."""
MOST_DETAILS = 7
"""Lines below the menu that explain what is highlighted."""
NOTES_SECONDS = 1.0
"""Between two looks at notes that may have something new to say."""


def choose(
    text: str,
    choices: Sequence[Choice],
    chosen: Sequence[Any],
    help_lines: Callable[[], Sequence[str]],
    *,
    several: bool = False,
) -> list[Any]:
    """Ask for one of the choices, or for several, and return their values.

    Args:
        text: the question.
        choices: in the order shown; a group's heading stands above its first.
        chosen: values that are highlighted or marked from the start.
        help_lines: gives what is shown when the user types a question mark.
        several: whether any number can be marked.

    Raises:
        Back, KeyboardInterrupt: as `asking.run`.
    """
    menu = Menu(choices, chosen, several=several)
    listing = Window(
        FormattedTextControl(lambda: menu_lines(menu), focusable=True, show_cursor=False),
        height=Dimension(min=2),
        dont_extend_height=True,
        scroll_offsets=ScrollOffsets(top=1, bottom=1),
        right_margins=[
            ConditionalMargin(
                ScrollbarMargin(display_arrows=True), Condition(lambda: _overflows(listing))
            )
        ],
    )

    def question_line() -> StyleAndTextTuples:
        if not get_app().is_done:
            return asked(text, _instruction(menu))
        return asked(text, answer=LEFT if left() else _answer(menu))

    places = run(
        [
            text_window(question_line),
            ConditionalContainer(listing, filter=~is_done),
            ConditionalContainer(
                text_window(lambda: set_in(menu.details()), at_most=MOST_DETAILS),
                filter=~is_done & Condition(lambda: bool(menu.details())),
            ),
        ],
        _keys(menu),
        help_lines,
        refresh_seconds=NOTES_SECONDS if any(choice.note for choice in choices) else None,
    )
    return [choices[place].value for place in places]


def _overflows(listing: Window) -> bool:
    drawn = listing.render_info
    return drawn is not None and drawn.content_height > drawn.window_height


def _answer(menu: Menu) -> str:
    return ", ".join(menu.choices[place].title for place in menu.result())


def _instruction(menu: Menu) -> str:
    if menu.typed:
        return _("containing: {typed}", typed=menu.typed)
    if menu.several:
        return _("(Space marks, Ctrl-A all, Enter ends)")
    return _("(arrows, Enter)")


def _keys(menu: Menu) -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter", eager=True)
    def finish(event: Any) -> None:
        if menu.several or menu.highlighted is not None:
            event.app.exit(result=menu.result())

    for names, steps in {
        ("up", "c-p"): -1,
        ("down", "c-n", "tab"): 1,
        ("pageup",): -PAGE,
        ("pagedown",): PAGE,
        ("home",): -len(menu.choices),
        ("end",): len(menu.choices),
    }.items():
        for name in names:
            keys.add(name, eager=True)(lambda _event, steps=steps: menu.move(steps))

    if menu.several:
        keys.add(" ", eager=True)(lambda _event: menu.mark())
        keys.add("c-a", eager=True)(lambda _event: menu.mark_all())

    @keys.add("backspace", eager=True)
    def forget(_event: Any) -> None:
        menu.filter(menu.typed[:-1])

    @keys.add("escape", eager=True, filter=Condition(lambda: bool(menu.typed)))
    def forget_all(_event: Any) -> None:
        menu.filter("")

    @keys.add(Keys.Any)
    @keys.add(Keys.BracketedPaste)
    def type_in(event: Any) -> None:
        if event.data.strip() and event.data.isprintable():
            menu.filter(menu.typed + event.data)

    return keys
