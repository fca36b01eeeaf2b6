"""How an option is declared: a field of a section, and beside its type an `Option`.

    epochs: Annotated[int, Field(ge=1), Option(N_("Epochs"), N_("..."), asked="always")] = 500

Name, type, limits and default are the field's. Everything that people meet of an option follows
from its declaration: template, schema, reference, question, review, and what is said of bad values.
"""

import types
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationInfo,
    field_validator,
)
from pydantic_core import CoreSchema, core_schema

from srwizard.base.choices import Value
from srwizard.base.typed_numbers import read_as

Text = Annotated[str, Field(min_length=1)]
Asked = Literal["always", "common", "on_request", "never"]
"""When the wizard asks: each time, among the few most people change, only where the user wants to
change the rest, or not at all, so that only an answers file says it."""


def without_none(annotation: Any) -> Any:
    """Return what a type is where it is not None."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def bare(annotation: Any) -> Any:
    """Return a type without what is annotated to it."""
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def number_kind(annotation: Any) -> Literal["int", "float", "ints", "floats"] | None:
    """Return what of numbers an annotation allows, None for anything else."""
    kind = without_none(annotation)
    if get_origin(kind) is list:
        lists: dict[Any, Literal["ints", "floats"]] = {int: "ints", float: "floats"}
        return lists.get(bare(get_args(kind)[0]))
    kinds: dict[Any, Literal["int", "float"]] = {int: "int", float: "float"}
    return kinds.get(bare(kind))


class Section(BaseModel):
    """Unknown keys and values of another type are errors, never guesses."""

    model_config = ConfigDict(
        extra="forbid", strict=True, validate_assignment=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _number_in_a_text(cls, value: Any, at: ValidationInfo) -> Any:
        """Read a number that is written as YAML knows none, as in full-width characters."""
        kind = number_kind(cls.model_fields[at.field_name or ""].annotation)
        return read_as(kind, value) if kind is not None else value


class Decided(Protocol):
    """The answers so far, defaults for the rest."""

    def get(self, key: str) -> Any:
        """Return the value of `key`, such as "devices.launcher"."""
        ...


@dataclass(frozen=True)
class Circumstances:
    """What decides whether an option counts: the answers so far, and what the dataset has.

    Attributes:
        static_fields: names of the dataset's static fields.
    """

    answers: Decided
    static_fields: Collection[str]


@dataclass(frozen=True)
class Condition:
    """When an option counts.

    Attributes:
        text: the same in words, a sentence marked with N_.
    """

    text: str
    holds: Callable[[Circumstances], bool]


@dataclass(frozen=True)
class Option:
    """What a field of the answers says of itself besides type, limits and default.

    Attributes:
        title: what it is called, marked with N_.
        help: a sentence or two on what it does, marked with N_.
        asked: when the wizard asks for it.
        none: what null, or an empty line, means, marked with N_; for fields that can be None.
        choices: the values allowed, for a text or the texts of a list.
        when: when it counts, if not always. An option that methods name among their parameters
            counts only where one of these is chosen: that needs no condition.
        diffusion: the default for diffusion models, where they have another one.
        varies: whether the default depends on model, device or weights; it is left open then.
        reviewed: whether the review shows it even while it has its default; those that are asked
            for always or commonly it shows anyway.
        example: a value, for the reference; where there is none, one follows from the type.
    """

    title: str
    help: str
    asked: Asked = "on_request"
    none: str = ""
    choices: tuple[Value, ...] = ()
    when: Condition | None = None
    diffusion: Any = None
    varies: bool = False
    reviewed: bool = False
    example: Any = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Allow only the choices, where there are any, in the place of any text."""
        schema = handler(source)
        if not self.choices:
            return schema
        allowed = core_schema.literal_schema([choice.name for choice in self.choices])
        if schema["type"] == "list":
            return core_schema.list_schema(allowed, strict=True)
        if schema["type"] == "nullable":
            return core_schema.nullable_schema(allowed)
        return allowed
