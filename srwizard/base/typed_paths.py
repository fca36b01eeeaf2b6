"""Paths as people type and paste them: quoted, as file:// addresses, with blanks, from home."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

QUOTES = {"'": "'", '"': '"', "“": "”", "‘": "’"}
HOME = {"~": "~", "～": "~"}
"""The home directory, as Chinese keyboards write it too."""
ADDRESS = "file://"
BEGINNINGS = ("/", *QUOTES, *HOME, ADDRESS)


def begins_path(text: str) -> bool:
    """Return whether what is typed or pasted begins a path that is whole by itself."""
    return text.lstrip().startswith(BEGINNINGS)


def bare(text: str) -> str:
    """Return a path without the blanks and quotes around it, and without `file://`."""
    text = text.strip()
    if len(text) > 2 and text[-1] == QUOTES.get(text[0]):
        text = text[1:-1].strip()
    if text.startswith(ADDRESS):
        text = unquote(urlsplit(text).path)
    return HOME.get(text[:1], text[:1]) + text[1:]


def expand(text: str) -> Path:
    """Return an absolute path, `~` being the home directory."""
    return at_home(Path(bare(text))).absolute()


def at_home(path: Path) -> Path:
    """Return a path with `~` replaced by the home directory; of an unknown user it is kept."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def real_path(path: Path) -> Path:
    """Return a path without links; `Path.resolve` fails where links lead in a circle."""
    return Path(os.path.realpath(path))
