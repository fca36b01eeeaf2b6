"""A menu in a terminal: one of a list, or several, what is highlighted being explained below.

On questionary's control; what `questionary.select` does wrong is named where it is put right.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import questionary
from prompt_toolkit.application import Application, get_app
from prompt_toolkit.filters import Condition, is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    ConditionalContainer,
    Dimension,
    Layout,
    ScrollbarMargin,
    ScrollOffsets,
    Window,
)
from prompt_toolkit.layout.containers import WindowRenderInfo
from questionary import Separator
from questionary.constants import INDICATOR_SELECTED, INDICATOR_UNSELECTED
from questionary.prompts.common import InquirerControl
from rich.cells import cell_len, set_cell_size

from srwizard.base.i18n import translate as _
from srwizard.base.text_width import padded, wrapped
from srwizard.base.typed_numbers import comma_listed, listed_numbers
from srwizard.base.visible import in_one_line
from srwizard.prompts.asking import asked, end, end_keys, run, text_below, text_window, width
from srwizard.prompts.question import Choice

PAGE = 5
"""Choices that one PageUp or PageDown passes."""
MOST_DETAILS = 7
"""Lines below the menu that explain what is highlighted."""
NOTES_SECONDS = 1.0
"""Between two looks at notes that may have something new to say."""
POINTER, NO_POINTER = " » ", "   "
SUMMARY_INDENT = "  "
NUMBER_SIGNS = frozenset("0123456789,- ")
GAP = "  "
"""Between a title and its note."""


class Menu(InquirerControl):
    """Where one is in a menu: what is pointed at, what is marked, what was typed to filter.

    Headings are separators; the value of any other choice is its place among those offered.
    """

    # Where nothing can be chosen, questionary leaves it unset; nothing is drawn as pointed at then.
    pointed_at = 0
    search_filter = ""
    not_found = ""
    """What was typed last and is in none of the choices."""
    typed_numbers = ""
    """What was typed to mark choices by their numbers."""

    def __init__(self, offered: Sequence[Choice], chosen: Sequence[Any], *, several: bool) -> None:
        self.several = several
        self.notes: dict[Any, Callable[[], str]] = {
            place: choice.note for place, choice in enumerate(offered) if choice.note
        }
        self.summaries: dict[Any, str] = {
            place: in_one_line(choice.summary)
            for place, choice in enumerate(offered)
            if choice.summary
        }
        self.places = {
            choice.number: place
            for place, choice in enumerate(offered)
            if choice.number is not None and not choice.disabled
        }
        self._searched: dict[Any, str] = dict(enumerate(map(_searched, offered)))
        choices = list(_under_headings(offered, chosen))
        enabled = [choice for choice in choices if not choice.disabled]
        marked = [choice for choice in enabled if choice.checked]
        first = next(iter(marked or enabled), None)
        super().__init__(choices, initial_choice=first, focusable=True, show_cursor=False)

    @property
    def filtered_choices(self) -> list[questionary.Choice]:
        """The choices that tell of what was typed, under those headings that still have any."""
        typed = _comparable(self.search_filter)
        shown = [
            one
            for one in self.choices
            if isinstance(one, Separator) or typed in self._searched[one.value]
        ]
        return [
            one
            for one, following in pairwise([*shown, Separator()])
            if not (isinstance(one, Separator) and isinstance(following, Separator))
        ]

    @property
    def typed(self) -> str:
        """What was typed to find something, whether anything tells of it or not."""
        return self.search_filter if self.typed_numbers else self.not_found or self.search_filter

    def enabled(self) -> list[int]:
        """Return the places, among the choices that are shown, of those that can be chosen."""
        return [place for place, choice in enumerate(self.filtered_choices) if not choice.disabled]

    def is_selection_valid(self) -> bool:
        """Return whether what is pointed at can be chosen, or nothing can."""
        return self.pointed_at in (self.enabled() or [self.pointed_at])

    def move(self, steps: int) -> None:
        """Point at another choice; one step leads around the ends, more stop there."""
        # `questionary.select` steps on until what has this place among all choices can be chosen;
        # with a filter that leaves one choice, and a heading above all, Down never ends.
        self.not_found = self.typed_numbers = ""
        if places := self.enabled():
            number = places.index(self.pointed_at) + steps
            number = number % len(places) if abs(steps) == 1 else max(number, 0)
            self.pointed_at = places[min(number, len(places) - 1)]

    def filter(self, typed: str) -> None:
        """Show only what tells of `typed`; point at what is called so, if anything is."""
        self.not_found = self.typed_numbers = ""
        before, pointed = self.search_filter, self.get_pointed_at()
        self.search_filter = typed
        places, shown = self.enabled(), self.filtered_choices
        if not places:
            # `questionary.select` shows what cannot be chosen then, and Enter returns it.
            self.search_filter, self.not_found = before, typed
        elif typed:
            name = _comparable(typed)
            begins = (at for at in places if _title(shown[at]).startswith(name))
            contains = (at for at in places if name in _title(shown[at]))
            self.pointed_at = next(begins, next(contains, places[0]))
        else:
            self.pointed_at = shown.index(pointed)

    def type_numbers(self, typed: str) -> None:
        """Mark the choices whose numbers are typed ("0,2-3"), and no others."""
        self.search_filter, self.not_found, self.typed_numbers = "", "", typed
        numbers = listed_numbers(typed)
        self.selected_options = [self.places[one] for one in numbers if one in self.places]
        unknown = [str(one) for one in numbers if one not in self.places]
        self.not_found = ", ".join(unknown)
        shown = [choice.value for choice in self.filtered_choices]
        if self.selected_options:
            self.pointed_at = shown.index(self.selected_options[-1])

    def mark(self) -> None:
        """Mark what is pointed at, or take its mark away."""
        self.selected_options = list(set(self.selected_options) ^ set(self._pointed()))

    def mark_all(self) -> None:
        """Mark everything that is shown, or take all marks away where everything has one."""
        shown = {self.filtered_choices[place].value for place in self.enabled()}
        marked = set(self.selected_options)
        self.selected_options = list(marked - shown if shown <= marked else marked | shown)

    def result(self) -> list[int]:
        """Return the places, among those offered, of what is chosen."""
        return sorted(self.selected_options) if self.several else self._pointed()

    def _pointed(self) -> list[Any]:
        return [self.get_pointed_at().value] if self.enabled() else []

    def _get_choice_tokens(self) -> StyleAndTextTuples:
        # That of questionary breaks no lines, and writes "Description:" before what explains.
        tokens: StyleAndTextTuples = []
        shown = self.filtered_choices
        texts = [self._title_and_note(choice) for choice in shown]
        signs = [self._style_and_sign(choice, here=False)[1] for choice in shown]
        columns = width() - len(POINTER) - max(map(len, signs), default=0)
        column = max((cell_len(title) for title, note in texts if note), default=0)
        if column + len(GAP) + max((cell_len(note) for _title, note in texts), default=0) > columns:
            column = 0
        for place, (choice, (title, note)) in enumerate(zip(shown, texts, strict=True)):
            here = place == self.pointed_at and not choice.disabled
            style, sign = self._style_and_sign(choice, here)
            lines = _beside(padded(title, column) if note else title, note, columns)
            if summary := self.summaries.get(choice.value):
                lines.append(SUMMARY_INDENT + _cut(summary, columns - len(SUMMARY_INDENT)))
            tokens += [
                ("class:pointer", POINTER if here else NO_POINTER),
                ("[SetCursorPosition]" if here else "", ""),
                (style, sign + f"\n{NO_POINTER}{' ' * len(sign)}".join(lines)),
                ("", "\n"),
            ]
        return tokens[:-1]

    def _title_and_note(self, choice: questionary.Choice) -> tuple[str, str]:
        if choice.disabled and not isinstance(choice, Separator):
            return f"{choice.title} ({in_one_line(choice.disabled)})", ""
        note = self.notes.get(choice.value)
        return str(choice.title), in_one_line(note()) if note else ""

    def _style_and_sign(self, choice: questionary.Choice, here: bool) -> tuple[str, str]:
        if isinstance(choice, Separator):
            return "class:separator", ""
        if choice.disabled:
            return "class:disabled", "- "
        style = "class:highlighted" if here else ""
        if not self.several:
            return style, ""
        if choice.value in self.selected_options:
            return f"{style} class:selected", f"{INDICATOR_SELECTED} "
        return style, f"{INDICATOR_UNSELECTED} "


def _under_headings(
    offered: Sequence[Choice], chosen: Sequence[Any]
) -> Iterator[questionary.Choice]:
    group = ""
    for place, choice in enumerate(offered):
        title = in_one_line(choice.title)
        if choice.group != group:
            group = choice.group
            yield Separator(f"── {in_one_line(group)} ──")
        if choice.disabled:
            yield questionary.Choice(title, place, choice.disabled)
            continue
        details = "\n".join(map(in_one_line, choice.details())) if choice.details else None
        checked = choice.value in chosen
        yield questionary.Choice(title, place, checked=checked, description=details)


def _title(choice: questionary.Choice) -> str:
    """Return a title as it is compared with what was typed."""
    return _comparable(str(choice.title))


def _searched(choice: Choice) -> str:
    """Return all that is told of a choice, as it is compared with what was typed."""
    details = () if choice.disabled or not choice.details else choice.details()
    return _comparable("\n".join([choice.title, choice.group, choice.summary, *details]))


def _comparable(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _beside(title: str, note: str, columns: int) -> list[str]:
    """Return a title with its note beside it, or below it where there is no room."""
    together = f"{title}{GAP}{note}".rstrip()
    if cell_len(together) <= columns:
        return [together]
    return [*wrapped(title, columns), *(wrapped(note, columns) if note else [])]


def _cut(text: str, columns: int) -> str:
    """Return a text in one line, its end left out where there is no room."""
    return text if cell_len(text) <= columns else f"{set_cell_size(text, columns - 1).rstrip()}…"


class _ScrollBar(ScrollbarMargin):
    """A scroll bar, where there is more to see than there is room for."""

    def create_margin(self, drawn: WindowRenderInfo, width: int, height: int) -> StyleAndTextTuples:
        if drawn.content_height <= drawn.window_height:
            return []
        return super().create_margin(drawn, width, height)


def choose(
    text: str,
    choices: Sequence[Choice],
    chosen: Sequence[Any],
    help_lines: Callable[[], Sequence[str]],
    *,
    several: bool = False,
    live: Callable[[], Iterable[str]] | None = None,
    rest: bool = False,
) -> tuple[list[Any], bool]:
    """Ask for one of the choices, or for several.

    Args:
        text: the question.
        choices: in the order shown; a group's heading stands above its first.
        chosen: values that are highlighted or marked from the start.
        help_lines: gives what is shown when the user types a question mark.
        several: whether any number can be marked.
        live: gives lines that stand below, anew as time goes by.
        rest: whether the defaults can be taken for all that follows.

    Returns:
        their values, and whether the defaults are to be taken for all that follows.

    Raises:
        Back, KeyboardInterrupt: as `asking.run`.
    """
    menu = Menu(choices, chosen, several=several)
    listing = Window(
        menu,
        height=Dimension(min=2),
        dont_extend_height=True,
        scroll_offsets=ScrollOffsets(top=1, bottom=1),
        right_margins=[_ScrollBar(display_arrows=True)],
    )

    def question_line() -> StyleAndTextTuples:
        if not get_app().is_done:
            return asked(text, _instruction(menu))
        return asked(
            text, answer=", ".join(in_one_line(choices[place].title) for place in menu.result())
        )

    defaults = run(
        questionary.Question(Application(layout=Layout(listing))),
        text,
        [
            text_window(question_line),
            ConditionalContainer(listing, ~is_done),
            *([] if live is None else [text_below(lambda: list(live()))]),
            text_below(lambda: [menu.get_pointed_at().description or ""], at_most=MOST_DETAILS),
        ],
        _keys(menu, rest=rest),
        help_lines,
        refresh_seconds=NOTES_SECONDS if live or any(one.note for one in choices) else None,
    )
    return [choices[place].value for place in menu.result()], defaults


def _instruction(menu: Menu) -> str:
    # The texts of `questionary.select` are in English.
    if menu.not_found and menu.typed_numbers:
        return _("{typed} (there is no {numbers})", typed=menu.typed_numbers,
                 numbers=menu.not_found)  # fmt: skip
    if menu.not_found:
        return _("(nothing matches: {typed})", typed=menu.not_found)
    if menu.typed_numbers:
        return menu.typed_numbers
    if menu.search_filter:
        return _("containing: {typed}", typed=menu.search_filter)
    if len(menu.places) > 1 and menu.several:
        first, second, *_more = numbers = sorted(menu.places)
        return _("(Space marks, or numbers: {two} or {row}; Enter ends)",
                 two=f"{first},{second}", row=f"{first}-{numbers[-1]}")  # fmt: skip
    return _("(Space marks, Ctrl-A all, Enter ends)") if menu.several else _("(arrows, Enter)")


def _keys(menu: Menu, *, rest: bool) -> KeyBindings:
    # Not those of `questionary.select`: its Ctrl-Q quits, and only ASCII filters.
    keys = KeyBindings()

    def finish(event: Any) -> None:
        if menu.not_found:  # what was typed is in no choice: none is meant
            if not menu.typed_numbers:
                menu.filter("")
        elif menu.several or menu.enabled():
            end(event)

    for name in end_keys(rest=rest):
        keys.add(name, eager=True)(finish)

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
    keys.add("backspace", eager=True)(lambda _event: menu.filter(menu.typed[:-1]))
    if menu.several:
        numbers = Condition(lambda: bool(menu.typed_numbers))
        keys.add(" ", eager=True)(lambda _event: menu.mark())

        @keys.add(" ", eager=True, filter=numbers)
        def separate(_event: Any) -> None:
            menu.type_numbers(f"{menu.typed_numbers} ")

        @keys.add("backspace", eager=True, filter=numbers)
        def shorten(_event: Any) -> None:
            menu.type_numbers(menu.typed_numbers[:-1])

        keys.add("c-a", eager=True)(lambda _event: menu.mark_all())
    keys.add("c-u", eager=True)(lambda _event: menu.filter(""))
    filtered = Condition(lambda: bool(menu.typed))
    keys.add("escape", eager=True, filter=filtered)(lambda _event: menu.filter(""))

    @keys.add(Keys.Any)
    @keys.add(Keys.BracketedPaste)
    def type_in(event: Any) -> None:
        typed = event.data.strip()
        numbered = menu.several and menu.places and not menu.search_filter  # of a filter: a part
        if numbered and typed and set(comma_listed(typed)) <= NUMBER_SIGNS:
            menu.type_numbers(menu.typed_numbers + typed)
        elif (typed or menu.typed) and event.data.isprintable():  # no blank begins a filter
            menu.filter(menu.typed + event.data)

    return keys
