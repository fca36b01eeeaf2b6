"""Control characters made visible, wherever text is shown or logged.

Names of variables, files and runs come from files that somebody else may have written. An escape
sequence in one of them would otherwise be obeyed by the terminal: move the cursor, hide a warning,
rename the window.
"""

import io
import re
import sys
from typing import Any, TextIO, cast

_CONTROL = re.compile(
    # C0 but for the tab and the line feed, DEL, C1; line separators; what turns the direction of
    # writing; and halves of surrogate pairs, which stand for bytes that are no UTF-8.
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Return `text` with its control characters written out, as `\\x1b` or `\\u009b`.

    Tabs and line feeds are kept. Beyond ASCII the form is that of JSON, so that JSON stays JSON.
    """
    return _CONTROL.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x20 else f"\\u{code:04x}"


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
