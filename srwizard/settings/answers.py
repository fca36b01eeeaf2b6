"""The answers: what the user has decided, by section, with defaults and limits.

The same classes hold the resolved values in the frozen run config. What the user left open is
simply not set (`model_fields_set`), so that a saved session knows decisions from defaults.
"""

import copy
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args

from pydantic import Field, ValidationError

from srwizard.base.errors import UsageError
from srwizard.base.i18n import N_
from srwizard.base.i18n import translate as _
from srwizard.base.visible import Lines, in_one_line
from srwizard.models.catalog import card, resolve_parameters, size_parameters
from srwizard.settings import yaml_file
from srwizard.settings.data import DataAnswers
from srwizard.settings.devices import DevicesAnswers
from srwizard.settings.memory import MemoryAnswers
from srwizard.settings.mistakes import explanation
from srwizard.settings.model import SIZES, ModelAnswers, model_parameters
from srwizard.settings.option import Option, Section
from srwizard.settings.output import OutputAnswers
from srwizard.settings.preparation import Preparation
from srwizard.settings.training import TrainingAnswers, training_defaults

__all__ = [
    "PREPARE",
    "SECTIONS",
    "Answers",
    "DataAnswers",
    "DevicesAnswers",
    "MemoryAnswers",
    "ModelAnswers",
    "OutputAnswers",
    "Preparation",
    "Section",
    "TrainingAnswers",
    "key_problem",
    "known_keys",
    "model_parameters",
    "parse_answers",
    "training_defaults",
]


class Answers(Section):
    data: DataAnswers = Field(default_factory=DataAnswers)
    output: OutputAnswers = Field(default_factory=OutputAnswers)
    model: ModelAnswers = Field(default_factory=ModelAnswers)
    training: TrainingAnswers = Field(default_factory=TrainingAnswers)
    devices: DevicesAnswers = Field(default_factory=DevicesAnswers)
    memory: MemoryAnswers = Field(default_factory=MemoryAnswers)
    confirm: Annotated[
        bool,
        Option(N_("Launch now?"), N_("Launch when everything is in order."), asked="never"),
    ] = False

    def decided(self) -> dict[str, Any]:
        """Return only what was decided, without defaults."""
        return self.model_dump(exclude_unset=True)

    def has(self, key: str) -> bool:
        """Return whether `key` ("training.epochs", "model.params.width") was decided."""
        node: Any = self
        for part in key.split("."):
            if node is None:
                return False
            if part not in (node if isinstance(node, dict) else node.model_fields_set):
                return False
            node = node[part] if isinstance(node, dict) else getattr(node, part)
        return True

    def get(self, key: str) -> Any:
        """Return the value of `key`, the default where it was not decided."""
        node: Any = self
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else getattr(node, part)
        return node

    def set(self, key: str, value: Any) -> None:
        """Decide `key`.

        Raises:
            pydantic.ValidationError: the value is of another type or out of its limits.
        """
        *sections, name = key.split(".")
        node: Any = self
        for part in sections:
            child = getattr(node, part)
            if child is None and not isinstance(node, dict):  # a section that can be left out
                child = _section_at(node, part)
            setattr(node, part, child)  # marks the section as decided
            node = getattr(node, part)
        if isinstance(node, dict):
            node[name] = value
        else:
            setattr(node, name, value)

    def forget(self, key: str) -> None:
        """Return `key` to its default, as if it had never been decided."""
        section_name, name, *parameter = key.split(".")
        section: Section = getattr(self, section_name)
        if parameter:
            inner = getattr(section, name)
            if isinstance(inner, Section):
                inner.__dict__[parameter[0]] = getattr(type(inner)(), parameter[0])
                inner.model_fields_set.discard(parameter[0])
            elif inner is not None:
                inner.pop(parameter[0], None)
            return
        section.__dict__[name] = getattr(type(section)(), name)
        section.model_fields_set.discard(name)
        if not section.model_fields_set:
            self.model_fields_set.discard(section_name)


PREPARE = "data.prepare"
"""The section within a section."""
SECTIONS = tuple(name for name in Answers.model_fields if name != "confirm")


def _section_at(node: Section, name: str) -> Section:
    """Return a fresh section in the place of one that is left out."""
    annotation: Any = type(node).model_fields[name].annotation
    kind: type[Section] = next(one for one in get_args(annotation) if one is not type(None))
    return kind()


def nested_keys() -> tuple[str, ...]:
    """Return the keys of the sections within sections: "data.prepare.scale"."""
    return tuple(f"{PREPARE}.{name}" for name in Preparation.model_fields)


def known_keys() -> tuple[str, ...]:
    """Return every key as the answers file and `--set` write it."""
    keys = [
        f"{section}.{name}"
        for section in SECTIONS
        for name in type(getattr(Answers(), section)).model_fields
    ]
    return (*keys, "confirm")


def key_problem(key: str, value: Any) -> str | None:
    """Say why `value` cannot be the answer to `key` ("training.epochs"), or None where it can."""
    try:
        Answers().set(key, value)
    except ValidationError as error:
        return explanation(error.errors()[0], (*known_keys(), *nested_keys()))
    return None


def parse_answers(document: yaml_file.Document) -> Answers:
    """Validate a parsed answers file, the model's name and parameters included.

    Raises:
        UsageError: lists every mistake with its line and column, in the order of the file.
    """
    # "training:" with nothing below it is an empty section, not a mistake.
    given = {
        key: {} if value is None and key in SECTIONS else value
        for key, value in document.values.items()
    }
    mistakes = list(_model_mistakes(given))
    try:
        answers = _validated(given, document.spellings)
    except ValidationError as error:
        known = (*known_keys(), *nested_keys())
        mistakes += [(found["loc"], explanation(found, known)) for found in error.errors()]
    if not mistakes:
        return answers
    places = [document.place(path) for path, _what in mistakes]
    placed = [
        (place, f"{in_one_line(place)}: {in_one_line(_dotted(path))}: {what}")
        for place, (path, what) in zip(places, mistakes, strict=True)
    ]
    lines = [line for _place, line in sorted(placed, key=lambda item: _order(item[0]))]
    raise UsageError(
        _("the answers are not valid:") + "".join(f"\n  {line}" for line in lines),
        _("Every key with its default and limits: srwizard answers --template"),
    )


def _validated(given: dict[str, Any], spellings: Mapping[yaml_file.KeyPath, str]) -> Answers:
    """Validate answers; where a text is asked for, what YAML takes for another kind is as written.

    Raises:
        ValidationError: they are not valid.
    """
    try:
        return Answers.model_validate(given)
    except ValidationError as error:
        texts = [
            found["loc"]
            for found in error.errors()
            if found["type"] == "string_type" and found["loc"] in spellings
        ]
        if not texts:
            raise
    given = copy.deepcopy(given)
    for *above, last in texts:
        node: Any = given
        for key in above:
            node = node[key]
        node[last] = spellings[(*above, last)]
    return Answers.model_validate(given)


def _model_mistakes(given: Mapping[str, Any]) -> Iterator[tuple[yaml_file.KeyPath, str]]:
    """Find what is wrong with the model's name and parameters; that needs no data."""
    section = given.get("model")
    name = section.get("name") if isinstance(section, dict) else None
    if not isinstance(section, dict) or not isinstance(name, str):
        return
    try:
        chosen = card(name)
    except UsageError as error:
        yield ("model", "name"), _joined(error)
        return
    size = section.get("size")
    if isinstance(size, str) and size in {known.name for known in SIZES}:
        try:
            size_parameters(chosen, size)
        except UsageError as error:
            yield ("model", "size"), _joined(error)
    params = section.get("params")
    for key, value in params.items() if isinstance(params, dict) else ():
        try:
            resolve_parameters(chosen, {key: value})
        except UsageError as error:
            yield ("model", "params", str(key)), _joined(error)


def _joined(error: UsageError) -> str:
    if not error.hint:
        return error.message
    return _("{message} {hint}", message=Lines(error.message), hint=Lines(error.hint))


def _order(place: str) -> tuple[int, int]:
    """Sort places by line and column; those of the command line come last."""
    line, column = ["", "", *place.rsplit(":", 2)][-2:]
    if line.isdigit() and column.isdigit():
        return int(line), int(column)
    return sys.maxsize, 0


def _dotted(location: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in location)
