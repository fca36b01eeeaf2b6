"""The options as they are declared, each with its key, and what people read of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_origin

from pydantic.fields import FieldInfo

from srwizard.base.choices import Method
from srwizard.base.i18n import in_a_row, listed
from srwizard.base.i18n import translate as _
from srwizard.settings.answers import PREPARE, SECTIONS, Answers
from srwizard.settings.option import Circumstances, Option, bare, number_kind, without_none
from srwizard.settings.training import training_defaults

Kind = Literal["text", "words", "int", "float", "ints", "floats", "yes_no", "one", "several"]
SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


@dataclass(frozen=True)
class Declared:
    """One option: its section and name, and the field that declares it."""

    section: str
    name: str
    field: FieldInfo

    @property
    def key(self) -> str:
        """As the answers file and `--set` write it: "training.epochs"."""
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def option(self) -> Option:
        """What the field says of itself.

        Raises:
            TypeError: it says nothing.
        """
        for part in self.field.metadata:
            if isinstance(part, Option):
                return part
        raise TypeError(f"{self.key} is declared without an Option")

    @property
    def title(self) -> str:
        """What it is called, in the user's language."""
        return _(self.option.title)

    @property
    def left_open(self) -> bool:
        """Whether its default depends on model, device or weights: to write it down decides."""
        return self.option.varies or self.option.diffusion is not None

    @property
    def kind(self) -> Kind:
        """What is asked for; from the type and the choices."""
        kind = without_none(self.field.annotation)
        listed = get_origin(kind) is list
        if self.option.choices:
            return "several" if listed else "one"
        number = number_kind(kind)
        if number is not None:
            return number
        if listed:
            return "words"
        return "yes_no" if bare(kind) is bool else "text"

    def default(self, model: str | None = None) -> Any:
        """Return what counts where nothing is decided.

        Args:
            model: the chosen one; some defaults depend on it.
        """
        if self.section == "training":
            return getattr(training_defaults(model), self.name)
        return self.field.get_default(call_default_factory=True)

    @property
    def example(self) -> Any:
        """A value that an answers file may give: the declared one, or one that is not the default.

        Of a number or a text that declares none it is the default.
        """
        declared, default = self.option.example, self.default()
        if declared is not None:
            return declared
        names = [choice.name for choice in self.option.choices if choice.name != default]
        if names:
            return names[:1] if self.kind == "several" else names[0]
        return not default if self.kind == "yes_no" else default

    def applies(self, at: Circumstances) -> bool:
        """Return whether the option counts, given the answers to the others."""
        condition = self.option.when
        if condition is not None and not condition.holds(at):
            return False
        return all(
            at.answers.get(key) in methods for key, methods in self.methods_that_take_it().items()
        )

    def methods_that_take_it(self) -> dict[str, list[str]]:
        """Return the methods that name this option among their parameters, by their option."""
        found = {}
        for other in options(self.section) if self.section else []:
            names = [
                choice.name
                for choice in other.option.choices
                if isinstance(choice, Method) and self.name in choice.parameters
            ]
            if names:
                found[other.key] = names
        return found

    def limits(self) -> str:
        """Return what a value may be, "" for anything of its type."""
        if self.option.choices:
            return " | ".join(choice.name for choice in self.option.choices)
        return ", ".join(
            f"{sign} {getattr(limit, name)}"
            for limit in self.field.metadata
            for name, sign in SIGNS.items()
            if getattr(limit, name, None) is not None
        )

    def meaning(self) -> str:
        """Return what it does and when it counts, for one who writes an answers file."""
        return in_a_row(self._sentences())

    def _sentences(self) -> Iterator[str]:
        option = self.option
        yield _(option.help)
        yield from self._conditions()
        if option.none:
            yield _("null: {meaning}.", meaning=_(option.none))
        if option.diffusion is not None:
            yield _("Diffusion models: {default}.", default=option.diffusion)

    def condition(self) -> str:
        """Return when it counts, "" for always."""
        return in_a_row(self._conditions())

    def _conditions(self) -> Iterator[str]:
        if self.option.when is not None:
            yield _(self.option.when.text)
        for methods in self.methods_that_take_it().values():
            yield _("Only for {methods}.", methods=listed(methods))

    def help(self) -> str:
        """Return what it does, for one who is asked."""
        option = self.option
        if not option.none:
            return _(option.help)
        if self.kind in ("one", "several", "yes_no", "words"):  # a list cannot be left empty
            return _("{help} By default: {meaning}.", help=_(option.help), meaning=_(option.none))
        return _("{help} Empty: {meaning}.", help=_(option.help), meaning=_(option.none))

    def value_text(self, value: Any) -> str:
        """Return a value as people read it."""
        if value is None:
            return _(self.option.none) if self.option.none else _("none")
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if isinstance(value, list):
            parts = ["/".join(part) if isinstance(part, list) else str(part) for part in value]
            return ", ".join(parts) or _("none")
        return str(value)


def options(section: str) -> list[Declared]:
    """Return the options of a section ("data", "data.prepare"), in the order they are listed."""
    declaring: Any = Answers
    for part in section.split("."):
        declaring = without_none(declaring.model_fields[part].annotation)
    return [Declared(section, name, field) for name, field in declaring.model_fields.items()]


def all_options() -> list[Declared]:
    """Return the options of all sections, then those outside."""
    found = [declared for section in SECTIONS for declared in options(section)]
    return [*found, *options_outside()]


def options_outside() -> list[Declared]:
    """Return the options outside of any section: `confirm`."""
    fields = Answers.model_fields.items()
    return [Declared("", name, field) for name, field in fields if name not in SECTIONS]


def option_named(key: str) -> Declared | None:
    """Return the option of a key ("training.epochs"), or None where there is none."""
    known = [*all_options(), *options(PREPARE)]
    return next((declared for declared in known if declared.key == key), None)
