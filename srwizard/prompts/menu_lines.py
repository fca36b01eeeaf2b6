"""How a menu is drawn: headings, signs, titles with notes, within the width of the screen."""

from prompt_toolkit.formatted_text import StyleAndTextTuples
from rich.cells import cell_len

from srwizard.base.text_width import padded, wrapped
from srwizard.prompts.asking import width
from srwizard.prompts.menu_state import Menu

POINTER, NO_POINTER = " » ", "   "
GAP = "  "
"""Between a title and its note."""


def menu_lines(menu: Menu) -> StyleAndTextTuples:
    """Return the choices that are shown, under their headings."""
    lines: StyleAndTextTuples = []
    group = ""
    texts = _texts(menu, width() - len(POINTER) - len(_sign(menu, 0)))
    for place in menu.shown():
        heading = menu.choices[place].group
        if heading != group:
            group = heading
            lines.append(("", f"{NO_POINTER}── {group} ──\n"))
        lines += _choice_lines(menu, place, texts[place])
    return lines[:-1] if lines and lines[-1][1] == "\n" else lines


def _texts(menu: Menu, columns: int) -> list[list[str]]:
    """Return the lines of each choice: titles, and notes in a column where there is room for it."""
    titles = [
        f"{choice.title} ({choice.disabled})" if choice.disabled else choice.title
        for choice in menu.choices
    ]
    notes = [
        choice.note() if choice.note is not None and not choice.disabled else ""
        for choice in menu.choices
    ]
    pairs = list(zip(titles, notes, strict=True))
    column = max((cell_len(title) for title, note in pairs if note), default=0)
    if column + len(GAP) + max(map(cell_len, notes), default=0) > columns:
        column = 0
    return [_background(padded(title, column) if note else title, note, columns)
            for title, note in pairs]  # fmt: skip


def _background(title: str, note: str, columns: int) -> list[str]:
    together = f"{title}{GAP}{note}".rstrip()
    if cell_len(together) <= columns:
        return [together]
    return [*wrapped(title, columns), *(wrapped(note, columns) if note else [])]


def _sign(menu: Menu, place: int) -> str:
    if menu.choices[place].disabled:
        return "- "
    if not menu.several:
        return ""
    return "● " if place in menu.marked else "○ "


def _choice_lines(menu: Menu, place: int, texts: list[str]) -> StyleAndTextTuples:
    here, sign = place == menu.highlighted, _sign(menu, place)
    style = "class:highlighted" if here else ""
    if menu.choices[place].disabled:
        style = "class:disabled"
    elif menu.several and place in menu.marked:
        style += " class:chosen"
    lines: StyleAndTextTuples = [("class:pointer", POINTER if here else NO_POINTER)]
    if here:
        lines.append(("[SetCursorPosition]", ""))
    between = "\n" + " " * (len(POINTER) + len(sign))
    return [*lines, (style, sign + between.join(texts)), ("", "\n")]
