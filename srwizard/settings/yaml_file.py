"""YAML as people write it, with the place of every key kept for messages."""

import copy
import functools
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from srwizard.base.errors import UsageError
from srwizard.base.i18n import translate as _
from srwizard.base.os_errors import reason_of, yaml_reason

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
TIMESTAMP = "tag:yaml.org,2002:timestamp"
LOOK_LIKE_NO_TEXT = (*NUMBERS, "tag:yaml.org,2002:bool")
KeyPath = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Safe YAML as everybody who writes it expects it (YAML 1.2): 1e-3 is a number.

    And 12:00:00 is none, but a time limit; YAML 1.1 takes it for so many seconds. Neither is
    2026-02-30 a date, which there is not, but the name of a directory.
    """

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        sexagesimal = kind is yaml.ScalarNode and ":" in value and tag in NUMBERS
        return "tag:yaml.org,2002:str" if sexagesimal or tag == TIMESTAMP else tag

    def construct_yaml_int(self, node: Any) -> Any:
        """Read 042 as 42; YAML 1.1 takes a number that begins with 0 for an octal one.

        Raises:
            ValueError: it has more digits than Python would write.
        """
        decimal = re.fullmatch(r"([-+]?)0+(\d+)", node.value)
        if decimal:
            return int("".join(decimal.groups()))
        number: int = super().construct_yaml_int(node)
        str(number)  # raises for one of so many digits, however it is written
        return number


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


class _Dumper(yaml.SafeDumper):
    """Quotes the texts that `_Loader` would read as numbers, 12e4567 among them."""


for _reader_or_writer in (_Loader, _Dumper):
    _reader_or_writer.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)[eE][-+]?\d+$"),
        list("-+.0123456789"),
    )


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML escapes the line break U+0085 in double quotes only; elsewhere it is read as a space.
    style = '"' if "\x85" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _list_node(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


_Dumper.add_representer(str, _text_node)
_Dumper.add_representer(list, _list_node)

MOST_PLACES = 100_000
"""A few aliases of aliases can stand for more values than there is memory."""


@dataclass(frozen=True)
class Document:
    """A YAML mapping and the place, "file:line:column", of each of its keys.

    `spellings` are the values that YAML takes for numbers, dates or truth, as they were written:
    where a text is asked for, 720 and `no` are texts.
    """

    name: str
    values: dict[str, Any]
    places: dict[KeyPath, str] = field(default_factory=dict)
    spellings: dict[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Return the place of `path`, or of the nearest enclosing key."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.name


def dump(values: dict[str, Any]) -> str:
    """Return YAML that `parse` reads back as the same values: a key a line, lists in brackets."""
    return yaml.dump(
        values,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=100,
    )


def flow(value: Any) -> str:
    """Return a value as it stands in an answers file, in one line."""
    written = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf)
    return written.removesuffix("...\n").strip()


def read(path: Path, overrides: tuple[str, ...] = ()) -> Document:
    """Read a YAML mapping and apply `section.key=value` overrides.

    Raises:
        UsageError: the file cannot be read, or it or an override is not valid.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            _("cannot read the answers file {path}: {reason}", path=path, reason=reason_of(error)),
            _("Write one with: srwizard answers --template > answers.yaml"),
        ) from None
    document = parse(content, str(path))
    for override in overrides:
        _apply_override(document, override)
    return document


def assignments(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of `name=value` texts.

    Raises:
        UsageError: one is of another form, or its value is no YAML.
    """
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(_("--set {text}: not of the form name=value", text=text))
        values[name] = _value_of(value, f"--set {text}").values["value"]
    return values


def _value_of(text: str, name: str) -> Document:
    """Return the document `value: text`.

    Raises:
        UsageError: it is no YAML, or holds more than a value: `a #b` is `a` with a comment.
    """
    # An argument that is no UTF-8 comes with surrogates, which `parse` refuses.
    content = f"value: {text}".encode("utf-8", "surrogateescape")
    parsed = parse(content, name)
    node: Any = yaml.compose(content.decode(), _Loader)
    value = node.value[0][1]
    # Behind brackets there may be a comment, if nobody writes one on a command line.
    rest = content.decode()[value.end_mark.index :].strip()
    if list(parsed.values) != ["value"] or rest:
        raise UsageError(
            _("{name}: what follows the value is not part of it: {rest}",
              name=name, rest=rest or text.splitlines()[-1]),
            _("""Put a text with # or a line break in quotes: --set 'output.dir="a #b"'"""),
        )  # fmt: skip
    if text.strip() == "~":  # the home directory, where YAML sees nothing
        parsed.values["value"] = "~"
    return parsed


def _apply_override(document: Document, override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UsageError(
            _("--set {override}: not of the form section.key=value", override=override),
            _("For example: --set training.epochs=100"),
        )
    parsed = _value_of(text, f"--set {override}")
    *sections, name = key.split(".")
    node = document.values
    for part in sections:
        child = node.get(part)
        if child is None:  # not there, or a section with nothing in it
            child = node[part] = {}
        if not isinstance(child, dict):
            raise UsageError(
                _("--set {override}: {part} is not a section", override=override, part=part)
            )
        node = child
    node[name] = parsed.values["value"]
    path = (*sections, name)
    for places in (document.places, document.spellings):  # of what stood there before
        for inside in [place for place in places if place[: len(path)] == path]:
            del places[inside]
    for length in range(1, len(path)):
        document.places.setdefault(path[:length], f"--set {override}")
    document.places[path] = f"--set {override}"
    document.spellings.update({(*path, *at[1:]): said for at, said in parsed.spellings.items()})


def parse(content: bytes, name: str) -> Document:
    """Parse a YAML mapping.

    Args:
        content: the bytes of the file.
        name: what messages call it.

    Raises:
        UsageError: not UTF-8, not YAML, not a mapping, or a key that is there twice.
    """
    return copy.deepcopy(_parsed(content, name))


@functools.lru_cache(maxsize=4)
def _parsed(content: bytes, name: str) -> Document:
    """Parse as `parse` does; a run config is read a dozen times on the way to a report."""
    try:
        text = content.decode("utf-8-sig")
        loader = _Loader(text)
    except UnicodeDecodeError as error:
        raise UsageError(
            _("{name} is not UTF-8 text (byte {place})", name=name, place=error.start),
            _("Save the file as UTF-8; a name in another encoding has to be changed."),
        ) from None
    except yaml.YAMLError as error:
        raise _not_yaml(name, error) from None
    try:
        node = loader.get_single_node()
        if node is None:
            return Document(name, {})
        spellings: dict[KeyPath, str] = {}
        places = _places(node, name, spellings)
        values = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise _not_yaml(name, error) from None
    except (
        ValueError,
        ArithmeticError,
        RecursionError,
        TypeError,
        LookupError,
        AttributeError,
    ) as error:
        # The constructors of PyYAML raise these for a value that is not what its tag says.
        raise UsageError(
            _(
                "{name} is not valid YAML: a date, a number or a tagged value is impossible",
                name=name,
            ),
            _("Check the values; put texts in quotes."),
        ) from error
    finally:
        loader.dispose()
    if not isinstance(values, dict):
        raise UsageError(
            _("{name} is not a mapping of keys to values", name=name),
            _("It should read like this: {example}", example="section: {key: value}"),
        )
    return Document(name, values, places, spellings)


def _not_yaml(name: str, error: yaml.YAMLError) -> UsageError:
    mark = getattr(error, "problem_mark", None)
    reason = yaml_reason(getattr(error, "problem", None) or " ".join(str(error).split()))
    return UsageError(
        _("{place}: not valid YAML: {reason}", place=_place(name, mark), reason=reason),
        _("Check the indentation, the colons and the quotes there."),
    )


def _place(name: str, mark: yaml.Mark | None) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name


def _places(root: yaml.Node, name: str, spellings: dict[KeyPath, str]) -> dict[KeyPath, str]:
    """Return the place of each key, and add to the spellings of values that look like no text."""
    places: dict[KeyPath, str] = {}
    waiting: list[tuple[yaml.Node, KeyPath, frozenset[int]]] = [(root, (), frozenset())]
    while waiting:
        node, path, above = waiting.pop()
        if id(node) in above:
            raise UsageError(_("{name}: an alias contains itself", name=name))
        if len(places) > MOST_PLACES:
            raise UsageError(_("{name} holds too many values", name=name))
        if isinstance(node, yaml.ScalarNode) and node.tag in LOOK_LIKE_NO_TEXT:
            spellings[path] = node.value
        inside = above | {id(node)}
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                child = (*path, str(key.value))
                place = _place(name, key.start_mark)
                if child in places:
                    dotted = ".".join(map(str, child))
                    raise UsageError(
                        _("{place}: the key {key} appears twice", place=place, key=dotted),
                        _("Keep one of the two."),
                    )
                places[child] = place
                waiting.append((value, child, inside))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                places[(*path, index)] = _place(name, value.start_mark)
                waiting.append((value, (*path, index), inside))
    return places
