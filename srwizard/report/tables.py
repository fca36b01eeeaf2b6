"""Nested mappings as flat tables of text."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srwizard.base.i18n import translate as _
from srwizard.base.sizes_and_times import bytes_text, duration_text
from srwizard.report.names import key_title, said

# A longer list says more by its ends and its length than by all its values.
SHOWN_VALUES = 12
Path = tuple[str, ...]
"""The keys that lead to a value, from the outermost."""


@dataclass(frozen=True)
class Table:
    """Rows of text under an optional head; the first cell of a row names it."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables_of(content: Mapping[str, Any], rest_title: str) -> list[Table]:
    """Return a table per section, and first one of what stands outside of sections.

    A list of mappings, such as one per rank, becomes a table with a row each.
    """
    rest: list[tuple[str, ...]] = []
    sections: list[Table] = []
    for key, value in content.items():
        path = (str(key),)
        if isinstance(value, Mapping):
            sections.append(Table(key_title(path), (), list(_flat(path, value))))
        elif _is_records(value):
            sections.append(_records(path, value))
        else:
            rest.append((key_title(path), value_of(path, value)))
    return ([Table(rest_title, (), rest)] if rest else []) + sections


def text_of(value: Any, key: str = "") -> str:
    """Return a value as people read it; the end of its key may name a unit."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int | float) and key.endswith("bytes"):
        return bytes_text(value)
    if isinstance(value, int | float) and key.endswith("seconds"):
        return duration_text(value) if value >= 1 else _("{seconds} s", seconds=f"{value:.2g}")
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return _sequence_text(value, key)
    return str(value)


def number_text(value: float, digits: int = 6) -> str:
    """Return a number to some significant digits, a dash where there is none."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{digits}g}"


def _flat(above: Path, content: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        path = (*above, str(key))
        if isinstance(value, Mapping) and value:
            yield from _flat(path, value)
        elif _is_records(value):
            for index, record in enumerate(value):
                yield from _flat((*above, f"{key}[{index}]"), record)
        else:
            yield key_title(path), "–" if isinstance(value, Mapping) else value_of(path, value)


def value_of(path: Path, value: Any) -> str:
    """Return the value under these keys as people read it."""
    words = said(path, value)
    return text_of(value, path[-1]) if words is None else words


def _records(path: Path, records: Sequence[Mapping[Any, Any]]) -> Table:
    flat = [dict(_flat(path, record)) for record in records]
    head = tuple(dict.fromkeys(name for record in flat for name in record))
    rows = [tuple(record.get(name, "–") for name in head) for record in flat]
    return Table(key_title(path), head, rows)


def _is_records(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, Mapping) and entry for entry in value)
    )


def _sequence_text(values: Sequence[Any], key: str) -> str:
    if len(values) > SHOWN_VALUES:
        first, second, last = (text_of(values[place], key) for place in (0, 1, -1))
        return f"{first}, {second}, …, {last} ({len(values)})"
    return ", ".join(text_of(value, key) for value in values) or "–"
