"""Ways in which a file goes bad: a disk, an editor, another program, somebody else's hands."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

HUGE = 10**400
SCALARS: list[Any] = [
    None, True, -1, 0, 1e308, -1e308, 1.5, HUGE, "", "\x1b[2J", "\ud800", "nan", [], {}, [[[]]],
    [None], {"a": {}}, float("nan"), float("inf"),
]  # fmt: skip


def deep(levels: int) -> str:
    """Return lists in each other, as JSON and YAML write them."""
    return "[" * levels + "]" * levels


def _cut(content: bytes, draw: Callable[[Any], Any]) -> bytes:
    return content[: draw(st.integers(0, max(len(content) - 1, 0)))]


def _overwritten(content: bytes, draw: Callable[[Any], Any]) -> bytes:
    place = draw(st.integers(0, max(len(content) - 1, 0)))
    noise = draw(st.binary(min_size=1, max_size=40))
    return content[:place] + noise + content[place + len(noise) :]


def _other_encoding(content: bytes, draw: Callable[[Any], Any]) -> bytes:
    text = content.decode("utf-8", errors="replace")
    return text.encode(draw(st.sampled_from(["utf-16", "utf-32", "utf-8-sig"])))


def _nothing_of_it(_content: bytes, draw: Callable[[Any], Any]) -> bytes:
    return draw(
        st.sampled_from(
            [b"", b"\0" * 4096, b"null", b"[]", b"{}", b"7", b'"x"', deep(100_000).encode(),
             b"\xff\xfe", b"9" * 5000, b"- - - -\n", b"a: &a [*a]\n"]
        )
    )  # fmt: skip


@st.composite
def damaged(draw: Any, content: bytes) -> bytes:
    """Damage the content of any file."""
    how = draw(st.sampled_from([_cut, _overwritten, _other_encoding, _nothing_of_it]))
    return bytes(how(content, draw))


@st.composite
def changed(draw: Any, document: Any) -> Any:
    """Put another value, of any kind, somewhere into a document; or take something out."""
    document = json.loads(json.dumps(document))
    node = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return document
        key = draw(st.sampled_from(keys))
        below = node[key]
        if isinstance(below, dict | list) and below and draw(st.booleans()):
            node = below
            continue
        if draw(st.integers(0, 4)) == 0:
            del node[key]
        else:
            node[key] = draw(st.sampled_from(SCALARS))
        return document


@st.composite
def damaged_json(draw: Any, document: Any) -> bytes:
    """Damage a JSON file: its bytes, or what it says."""
    if draw(st.booleans()):
        return bytes(draw(damaged(json.dumps(document).encode())))
    # A half of a surrogate pair is written as its escape.
    return json.dumps(draw(changed(document))).encode()
