"""Control characters made visible, wherever text is shown or logged.

Names of variables, files and runs come from files that somebody else may have written. An escape
sequence in one of them would otherwise be obeyed by the terminal: move the cursor, hide a warning,
rename the window. A line break in one of them would begin a line that the program never wrote.
"""

import io
import re
import shlex
import sys
from typing import Any, TextIO, cast

_CONTROL = re.compile(
    # C0 but for the tab and the line feed, DEL, C1; line separators; what turns the direction of
    # writing; what has no width; and halves of surrogate pairs, which stand for bytes that are no
    # UTF-8.
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_BREAKS = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})


def visible(text: str) -> str:
    """Return `text` with its control characters written out, as `\\x1b` or `\\u009b`.

    Tabs and line feeds are kept. Beyond ASCII the form is that of JSON, so that JSON stays JSON.
    """
    return _CONTROL.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return f"\\x{code:02x}"
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))


class Lines(str):
    """A text of the program whose line breaks are meant, unlike those of a name."""

    __slots__ = ()


def in_one_line(text: object) -> str:
    """Return a name, a path or another value as it is shown: in one line, all of it visible.

    Line breaks and tabs are written out (`\\n`) except in `Lines`; those in the message of a
    library's error become blanks.
    """
    if isinstance(text, BaseException):
        text = " ".join(str(text).split())
    return visible(text if isinstance(text, Lines) else str(text).translate(_BREAKS))


def in_shell(*words: object) -> str:
    """Return a command, or words of one, as a person types it: in one line, all of it visible.

    What cannot be seen is typed as bash and its kin understand it: `$'two\\nlines'`.
    """
    return " ".join(_word(str(word)) for word in words)


def _word(text: str) -> str:
    if in_one_line(text) == text:
        return shlex.quote(text)
    return "$'" + "".join(map(_typed, text)) + "'"


def _typed(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if (shown := in_one_line(character)) in (character, "\\n", "\\r", "\\t"):
        return shown
    # Half of a surrogate pair stands for a byte that is no UTF-8, or is itself in a JSON file.
    errors = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", errors))


class VisibleStream:
    """A text stream on which control characters are written out."""

    def __init__(self, stream: TextIO) -> None:
        # rich, whose own sequences are meant, writes to the stream of this name; see
        # `base.console`.
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        self.rich_proxied_file.write(visible(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


def show_only_visible() -> None:
    """Let this process print nothing that a terminal would obey."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, cast(TextIO, VisibleStream(stream)))
