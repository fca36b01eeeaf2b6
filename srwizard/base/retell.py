"""Notes that a file holds in the language of whoever wrote them, told in the user's."""

import re
from collections.abc import Iterator

from srwizard.base.i18n import CATALOGUES, language, messages_of

FIELD = re.compile(r"\{(\w+)[^{}]*\}")
END = (".", "。")
LEAST_BYTES = 12
"""Of the longest piece between two fields: a shorter message could be read into any text."""


def retell(text: str) -> str:
    """Return a note in the user's language: sentences of the program, one after the other.

    What is not one of them stays as it is.
    """
    told, between = "", ""
    while text:
        found = next(_beginnings(text.lstrip()), None)
        if found is None:
            return told + text
        sentence, length = found
        told += between + sentence
        between = " " if language() == "en" else ""
        text = text.lstrip()[length:]
    return told


def _beginnings(text: str) -> Iterator[tuple[str, int]]:
    """Yield what a text begins with in the user's language, and how long that is in the text."""
    for name in CATALOGUES:
        known = messages_of(name)
        if language() == "en":  # small letters last: names stand within sentences
            known = {text: message for message, text in sorted(known.items())}
        for source, target in known.items():
            pieces = FIELD.split(source)[::2]
            longest = max(pieces, key=len)
            if len(longest.encode()) < LEAST_BYTES or not source.endswith(END):
                continue
            match = re.match(_pattern(source), text, re.DOTALL) if longest in text else None
            if match is not None:
                values = {key: known.get(one, one) for key, one in match.groupdict().items()}
                yield FIELD.sub(lambda field: values[field[1]], target), match.end()  # noqa: B023


def _pattern(message: str) -> str:
    """Return a pattern of a message; a field that stands there twice has one value."""
    parts = FIELD.split(message)
    seen: set[str] = set()
    found = re.escape(parts[0])
    for name, piece in zip(parts[1::2], parts[2::2], strict=True):
        found += f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
        seen.add(name)
        found += re.escape(piece)
    return found
