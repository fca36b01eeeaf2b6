"""The fonts of the figures: matplotlib's own, and for Chinese one that comes with the program.

A machine that trains has seldom a Chinese font; figures would show empty boxes there.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

from matplotlib import font_manager, ft2font

CHINESE = Path(__file__).with_name("chinese.otf")
FAMILIES = ("DejaVu Sans", "srwizard Chinese")
"""Each letter is drawn in the first of these that has it."""


@cache
def register() -> None:
    """Let matplotlib know the font of this package, which stands for its bold one too."""
    known = font_manager.fontManager
    known.addfont(CHINESE)
    known.ttflist.append(replace(known.ttflist[-1], weight=700))


def can_draw(text: str) -> bool:
    """Return whether the fonts have every letter of a text."""
    return all(ord(letter) in _letters() for letter in text)


@cache
def _letters() -> frozenset[int]:
    paths = (font_manager.findfont(FAMILIES[0]), CHINESE)
    return frozenset(code for path in paths for code in ft2font.FT2Font(path).get_charmap())
