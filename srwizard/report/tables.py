"""Nested mappings as flat tables of text."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# A longer list says more by its ends and its length than by all its values.
SHOWN_VALUES = 12


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
        name = str(key)
        if isinstance(value, Mapping):
            sections.append(Table(name, (), list(_flat("", value))))
        elif _is_records(value):
            sections.append(_records(name, value))
        else:
            rest.append((name, text_of(value, name)))
    return ([Table(rest_title, (), rest)] if rest else []) + sections


def text_of(value: Any, key: str = "") -> str:
    """Return a value as YAML would show it; a key that ends in its unit makes it readable."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and key.endswith("bytes"):
        return bytes_text(value)
    if isinstance(value, int | float) and key.endswith("seconds"):
        return f"{value:.3g} s"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return _sequence_text(value)
    return str(value)


def number_text(value: float, digits: int = 6) -> str:
    """Return a number to some significant digits, a dash where there is none."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{digits}g}"


def bytes_text(value: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"


def _flat(prefix: str, content: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(f"{name}.", value)
        elif _is_records(value):
            for index, record in enumerate(value):
                yield from _flat(f"{name}[{index}].", record)
        else:
            yield name, "–" if isinstance(value, Mapping) else text_of(value, str(key))


def _records(title: str, records: Sequence[Mapping[Any, Any]]) -> Table:
    flat = [dict(_flat("", record)) for record in records]
    head = tuple(dict.fromkeys(name for record in flat for name in record))
    return Table(title, head, [tuple(record.get(name, "–") for name in head) for record in flat])


def _is_records(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, Mapping) and entry for entry in value)
    )


def _sequence_text(values: Sequence[Any]) -> str:
    if len(values) > SHOWN_VALUES:
        return (
            f"{text_of(values[0])}, {text_of(values[1])}, …, {text_of(values[-1])} ({len(values)})"
        )
    return ", ".join(text_of(value) for value in values) or "–"
