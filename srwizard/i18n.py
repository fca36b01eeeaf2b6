"""The user's language: gettext catalogues under locale/, English being the source."""

import gettext
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "zh")
LOCALE_DIR = Path(__file__).parent / "locale"
CATALOGUES = {"zh": "zh_CN"}

_language = "en"
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
        _translations = gettext.translation("srwizard", LOCALE_DIR, [catalogue], fallback=True)


def language() -> str:
    """Return the language in use: "en" or "zh"."""
    return _language


def translate(message: str, /, **values: Any) -> str:
    """Return `message` in the user's language, its {placeholders} filled from `values`."""
    text = _translations.gettext(message)
    return text.format(**values) if values else text


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark `message` for the catalogue; it is translated where it is shown."""
    return message
