"""Numbers as people type them: in full-width characters, with the commas of their keyboard."""

import re
import unicodedata
from typing import Any

from srwizard.base.i18n import translate as _

SEPARATORS = str.maketrans(
    {"、": ",", "，": ",", "；": ",", ";": ",", "。": ".", "−": "-", "–": "-", "～": "-"}
)
MOST = 4096
"""Numbers that a range may have."""


class DecimalCommaError(ValueError):
    """A number with a comma where the program reads a point."""


def comma_listed(text: str) -> str:
    """Return what was typed in ASCII: digits, points, signs, and commas between numbers."""
    return unicodedata.normalize("NFKC", text.translate(SEPARATORS)).strip()


def listed_numbers(text: str) -> list[int]:
    """Return the numbers in "0,1", "0 1" or "0-2", each once and in order; what is not yet one is
    left out.
    """
    found: dict[int, None] = {}
    for first, _dash, last in re.findall(r"(\d+)(\s*-\s*(\d+))?", comma_listed(text)):
        end = int(last) if last else int(first)
        found.update(dict.fromkeys(range(int(first), min(end, int(first) + MOST) + 1)))
    return list(found)


def whole_number(text: str) -> int:
    """Return a whole number.

    Raises:
        ValueError: it is none; says what to type.
    """
    try:
        return int(comma_listed(text))
    except ValueError:
        raise ValueError(_("please type a whole number")) from None


def number(text: str) -> float:
    """Return a number.

    Raises:
        ValueError: it is none; says what to type.
    """
    plain = comma_listed(text)
    try:
        return float(plain)
    except ValueError:
        pass
    if re.fullmatch(r"[+-]?\d*,\d+(e[+-]?\d+)?", plain, re.IGNORECASE):
        raise DecimalCommaError(
            _("please type {number}, with a point", number=plain.replace(",", "."))
        )
    raise ValueError(_("please type a number"))


def whole_numbers(text: str) -> list[int]:
    """Return whole numbers, separated by blanks or commas.

    Raises:
        ValueError: one of them is none; says what to type.
    """
    try:
        return [int(part) for part in _parts(text)]
    except ValueError:
        raise ValueError(_("please type whole numbers, such as 6 6 6 6")) from None


def numbers(text: str) -> list[float]:
    """Return numbers, separated by blanks or commas.

    Raises:
        ValueError: one of them is none; says what to type.
    """
    try:
        return [float(part) for part in _parts(text)]
    except ValueError:
        raise ValueError(_("please type numbers, such as 0 100 500")) from None


def _parts(text: str) -> list[str]:
    """Return what stands between blanks or commas."""
    return comma_listed(text).replace(",", " ").strip("[] ").split()


def read_as(kind: str, value: Any) -> Any:
    """Return the number that a text says, and whatever is no such text as it is.

    Raises:
        ValueError: it is a number with a decimal comma; says what to type.
    """
    try:
        return READERS[kind](value) if isinstance(value, str) and kind in READERS else value
    except DecimalCommaError:
        raise
    except ValueError:
        return value


READERS: dict[str, Any] = {
    "int": whole_number, "float": number, "ints": whole_numbers, "floats": numbers,
}  # fmt: skip
"""By what is asked for, how it is read."""
