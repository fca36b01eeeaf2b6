"""The signs before good and bad news, where the terminal can show them."""

import os
import sys

WITHOUT_THEM = ("", "dumb", "linux", "vt100")
"""Values of TERM: no terminal, or one whose fonts lack them."""


def good(text: str) -> str:
    """Return a text with the sign of what is well before it."""
    return _with("✅", text)


def warning(text: str) -> str:
    """Return a text with the sign of what needs attention before it."""
    return _with("⚠️ ", text)


def _with(sign: str, text: str) -> str:
    # They take two columns in some terminals and one in others: only before lines of their own.
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    shown = encoding == "utf8" and os.environ.get("TERM", "") not in WITHOUT_THEM
    return f"{sign} {text}" if shown else text
