"""The user's language: gettext catalogues under locale/, English being the source."""

import gettext
import os
import re
import struct
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path, PurePath
from typing import Any

from srwizard.base.visible import in_one_line

LANGUAGES = ("en", "zh")
LOCALE_DIR = Path(__file__).parents[1] / "locale"
DOMAIN = "srwizard"
CATALOGUES = {"zh": "zh_CN"}
LITTLE_ENDIAN = b"\xde\x12\x04\x95"
"""How a compiled catalogue begins that is stored so."""
SAMPLES = {"en": "a", "zh": "海"}
"""What a stream must be able to encode to show a language at all."""

_language = "en"
_commands: re.Pattern[str] | None = None
_translations: gettext.NullTranslations = gettext.NullTranslations()


def language_from_environment(environment: Mapping[str, str] = os.environ) -> str:
    """Return "zh" where the locale variables ask for Chinese, else "en".

    The order is gettext's own: LANGUAGE, LC_ALL, LC_MESSAGES, LANG.
    """
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(variable)
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def set_language(language: str) -> None:
    """Choose the language of every message from now on: "en" or "zh"."""
    global _language, _translations
    _language = language
    catalogue = CATALOGUES.get(language)
    if catalogue is None:
        _translations = gettext.NullTranslations()
    else:
        _translations = gettext.translation(DOMAIN, LOCALE_DIR, [catalogue], fallback=True)


def messages_of(language: str) -> dict[str, str]:
    """Return the catalogue of a language: messages in English, each with its translation.

    Of one with a plural both forms: gettext itself forgets the second.
    """
    path = LOCALE_DIR / CATALOGUES[language] / "LC_MESSAGES" / f"{DOMAIN}.mo"
    if not path.is_file():
        return {}
    stored = path.read_bytes()
    order = "<" if stored.startswith(LITTLE_ENDIAN) else ">"
    count, *tables = struct.unpack_from(f"{order}3I", stored, 8)

    def forms(table: int, place: int) -> list[str]:
        length, start = struct.unpack_from(f"{order}2I", stored, table + 8 * place)
        return stored[start : start + length].decode().split("\0")

    messages, texts = ([forms(table, place) for place in range(count)] for table in tables)
    return {
        form: text[min(place, len(text) - 1)]
        for message, text in zip(messages, texts, strict=True)
        for place, form in enumerate(message)
    }


def hand_on_language() -> None:
    """Let libraries and child processes speak the chosen language too.

    click looks its own texts up in gettext's current domain; children look at the environment.
    """
    os.environ["LANGUAGE"] = CATALOGUES.get(_language, _language)
    gettext.bindtextdomain(DOMAIN, str(LOCALE_DIR))
    gettext.textdomain(DOMAIN)


def name_language_in(commands: Iterable[str]) -> None:
    """Name the language in every command that a message tells the user to type.

    Who has asked for a language on the command line, and not in the locale, would lose it else.

    Args:
        commands: those of `srwizard`.
    """
    global _commands
    words = "|".join(map(re.escape, (*commands, "--answers", "--help")))
    _commands = re.compile(rf"\bsrwizard(?= (?:{words})(?![\w-]))")


def language() -> str:
    """Return the language in use: "en" or "zh"."""
    return _language


def translate(message: str, /, **values: Any) -> str:
    """Return `message` in the user's language, its {placeholders} filled from `values`.

    Names and paths among the values are shown as they are in `in_one_line`: whoever named a file
    does not decide how many lines a message has.
    """
    return _filled(_translations.gettext(message), values)


def translate_count(singular: str, plural: str, number: float, /, **values: Any) -> str:
    """Return the form of a message that suits `number`, in the user's language; see `translate`."""
    chosen = _translations.ngettext(singular, plural, 1 if abs(number) == 1 else 2)
    return _filled(chosen, values)


def labelled(name: str, text: object) -> str:
    """Return a text with its name before it, and the colon of the language between."""
    return translate("{name}: {explanation}", name=name, explanation=str(text))


def listed(items: Iterable[object]) -> str:
    """Return items of a list within a sentence, with the commas of the user's language."""
    return translate(", ").join(map(str, items))


def in_a_row(sentences: Iterable[str]) -> str:
    """Join translated sentences, at least one; in Chinese no blank stands between two."""
    return reduce(lambda one, two: translate("{message} {hint}", message=one, hint=two), sentences)


def _filled(text: str, values: Mapping[str, Any]) -> str:
    if values:
        text = text.format(**{key: _shown(value) for key, value in values.items()})
    return _commands.sub(rf"\g<0> --lang {_language}", text) if _commands is not None else text


def _shown(value: Any) -> Any:
    return in_one_line(value) if isinstance(value, str | PurePath | BaseException) else value


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark `message` for the catalogue; it is translated where it is shown."""
    return message


def NN_(singular: str, plural: str) -> tuple[str, str]:  # noqa: N802 - as N_, with a plural
    """Mark a message that has a plural."""
    return singular, plural
